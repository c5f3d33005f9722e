// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/information_gain.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "core/fusion/fuser.h"
#include "core/interface/error.h"
#include "tests/core/fusion/fake_denoiser.h"

namespace digfusion {
namespace {

constexpr Distance distances[] = {Distance::l2, Distance::l1, Distance::ssim, Distance::none};

TEST(InformationGain, DistancesEqualTheirTwins) {
  const at::Tensor a = random_pictures(2, 17, 23, 1), b = random_pictures(2, 17, 23, 3);
  const twins::Maps as = maps_of(a), bs = maps_of(b);
  for (const Distance l : distances) {
    SCOPED_TRACE(name_of("distance", int(l)));
    expect_maps_near(distance_map(a, b, l),
                     {twins::distance(as[0], bs[0], l), twins::distance(as[1], bs[1], l)}, 2e-5);
  }
}

TEST(InformationGain, SsimDistanceOfFlatAndEqualPicturesIsZero) {
  const at::Tensor flat = at::full({1, 1, 16, 16}, 0.7);
  EXPECT_LT(distance_map(flat, flat, Distance::ssim).abs().max().item<double>(), 1e-4);
  const at::Tensor a = random_pictures(1, 16, 16, 1);
  EXPECT_LT(distance_map(a, a, Distance::ssim).abs().max().item<double>(), 1e-5);
  const at::Tensor unlike[] = {random_tensor({1, 1, 16, 16}, 1), random_tensor({1, 1, 16, 16}, 2)};
  EXPECT_GT(distance_map(unlike[0], unlike[1], Distance::ssim).mean().item<double>(), 0.5);
}

TEST(InformationGain, EstimatesEqualTheirTwins) {
  const int height = 16, width = 24;
  const at::Tensor sources = random_pictures(3, height, width, 5);
  const std::vector<int> timesteps = {999, 500, 60, 0};
  for (const Distance l : distances)
    for (const int draws : {1, 2, 5}) {
      SCOPED_TRACE(std::string(name_of("distance", int(l))) + ", draws " + std::to_string(draws));
      const FakeDenoiser denoiser;
      Evaluator evaluator(denoiser);
      const LevelEstimates estimates = estimate_levels(evaluator, sources, timesteps, l, draws, fake_noise);
      ASSERT_EQ(estimates.mean.sizes(), at::IntArrayRef({4, 3, 1, height, width}));
      ASSERT_EQ(estimates.distance.sizes(), estimates.mean.sizes());
      EXPECT_EQ(evaluator.evaluations(), timesteps.size() * 3 * std::size_t(draws));
      for (std::size_t i = 0; i < timesteps.size(); ++i) {
        const double bar = denoiser.schedule().alpha_bar[std::size_t(timesteps[i])];
        const twins::Level twin = twins::level(maps_of(sources), bar, l, draws, twin_noise(height, width));
        const double tolerance = 4e-6 / std::sqrt(bar) + 2e-5;
        expect_maps_near(estimates.mean[std::int64_t(i)], twin.mean, tolerance);
        expect_maps_near(estimates.distance[std::int64_t(i)], twin.distance, 4 * tolerance);
      }
    }
}

TEST(InformationGain, DrawsAreOneBatchAndADrawIsOneFieldForAll) {
  const FakeDenoiser denoiser;
  Evaluator evaluator(denoiser);
  std::vector<std::int64_t> asked;
  const auto noise = [&](std::int64_t number, std::int64_t height, std::int64_t width) {
    asked.push_back(number);
    return fake_noise(number, height, width);
  };
  const at::Tensor one = random_pictures(1, 16, 16, 5);
  const std::vector<int> timesteps = {700, 300};
  const LevelEstimates estimates =
      estimate_levels(evaluator, at::cat({one, one}), timesteps, Distance::l2, 4, noise);
  EXPECT_EQ(denoiser.batches, std::vector<int>{16});
  EXPECT_EQ(asked, (std::vector<std::int64_t>{0, 0, 1, 1}));  // ±ε, ±ε
  // Larger pictures: as many draws as make a batch of 2 million pixels, one at least.
  denoiser.batches.clear();
  const at::Tensor large = random_pictures(2, 512, 512, 5);
  (void)estimate_levels(evaluator, large, std::vector<int>{700}, Distance::l2, 5, fake_noise);
  EXPECT_EQ(denoiser.batches, (std::vector<int>{8, 2}));
  // Equal sources have equal gains whatever the noise.
  EXPECT_TRUE(at::equal(estimates.distance.select(1, 0), estimates.distance.select(1, 1)));
}

TEST(InformationGain, AntitheticPairsCancelWhatIsOddInTheNoise) {
  const FakeDenoiser denoiser;
  Evaluator evaluator(denoiser);
  const at::Tensor sources = at::full({2, 1, 16, 16}, 0.1);
  const std::vector<int> timesteps = {60};
  const auto deviation = [&](int draws) {
    return estimate_levels(evaluator, sources, timesteps, Distance::l2, draws, fake_noise)
        .mean.std()
        .item<double>();
  };
  EXPECT_LT(deviation(2), 0.2 * deviation(1));
}

TEST(InformationGain, LargeBatchesAreSplitWithoutAChange) {
  const FakeDenoiser denoiser;
  Evaluator evaluator(denoiser);
  const at::Tensor large = random_tensor({5, 1, 1024, 1024}, 3);
  const std::vector<int> t = {900, 700, 500, 300, 100};
  const at::Tensor split = evaluator.predict_noise(large, t);
  EXPECT_EQ(denoiser.batches, (std::vector<int>{2, 2, 1}));
  EXPECT_EQ(evaluator.evaluations(), 5u);
  EXPECT_TRUE(at::equal(split, denoiser.predict_noise(large, t)));
  denoiser.batches.clear();
  const std::vector<int> two = {9, 8};
  (void)evaluator.predict_noise(at::zeros({2, 1, 2160, 4096}), two);  // one of them is beyond the limit
  EXPECT_EQ(denoiser.batches, (std::vector<int>{1, 1}));
}

/// Has memory for some numbers of pictures alone.
class SmallDenoiser : public FakeDenoiser {
 public:
  explicit SmallDenoiser(int fits) : fits_(fits) {}
  at::Tensor predict_noise(const at::Tensor& xt, std::span<const int> t) const override {
    const at::Tensor result = FakeDenoiser::predict_noise(xt, t);
    if (int(t.size()) > fits_)
      throw c10::OutOfMemoryError({"", "", 0}, "CUDA out of memory. Tried to allocate 2.00 GiB.");
    return result;
  }

 private:
  int fits_;
};

TEST(InformationGain, BatchesBeyondTheMemoryAreHalvedAndRemembered) {
  const at::Tensor sources = random_pictures(2, 16, 24, 5);
  const std::vector<int> timesteps = {900, 500, 60};
  const FakeDenoiser whole;
  Evaluator unlimited(whole);
  const LevelEstimates expected = estimate_levels(unlimited, sources, timesteps, Distance::l2, 2, fake_noise);
  const SmallDenoiser denoiser(3);
  Evaluator evaluator(denoiser);
  for (const auto& batches : {std::vector<int>{12, 6, 3, 3, 3, 3}, {3, 3, 3, 3}}) {
    denoiser.batches.clear();
    evaluator.start();
    const LevelEstimates estimates =
        estimate_levels(evaluator, sources, timesteps, Distance::l2, 2, fake_noise);
    EXPECT_EQ(denoiser.batches, batches);
    EXPECT_EQ(evaluator.evaluations(), 12u);
    EXPECT_TRUE(at::equal(estimates.mean, expected.mean));
    EXPECT_TRUE(at::equal(estimates.distance, expected.distance));
  }
  denoiser.batches.clear();  // another size is tried for itself
  (void)evaluator.predict(random_pictures(4, 16, 16, 1), std::vector<int>{1, 2, 3, 4});
  EXPECT_EQ(denoiser.batches, (std::vector<int>{4, 2, 2}));
}

TEST(InformationGain, APictureBeyondTheMemoryIsAnErrorThatSaysWhatHelps) {
  const SmallDenoiser denoiser(0);
  Evaluator evaluator(denoiser);
  try {
    (void)evaluator.predict(random_pictures(2, 16, 24, 5), std::vector<int>{1, 2});
    ADD_FAILURE() << "it was evaluated";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::out_of_memory);
    for (const char* part :
         {"24×16", "batch 1", "smaller", "precision=bfloat16", "Tried to allocate 2.00 GiB"})
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
  EXPECT_EQ(denoiser.batches, (std::vector<int>{2, 1}));
}

TEST(InformationGain, BoxFilterEqualsItsTwin) {
  for (const auto& [height, width] : {std::pair(16, 16), std::pair(19, 33), std::pair(4, 5)})
    for (const int radius : {0, 1, 2, 6, 40}) {
      SCOPED_TRACE(std::to_string(width) + "×" + std::to_string(height) + ", radius " +
                   std::to_string(radius));
      const at::Tensor maps = random_tensor({2, 3, 1, height, width}, 8);
      const at::Tensor filtered = box_filter(maps, radius);
      ASSERT_EQ(filtered.sizes(), maps.sizes());
      for (int i = 0; i < 2; ++i) {
        twins::Maps twin = maps_of(maps[i]);
        for (twins::Map& map : twin) map = twins::box_mean(map, radius);
        expect_maps_near(filtered[i], twin, 1e-5);
      }
    }
}

TEST(InformationGain, SoftmaxWeightsEqualTheirTwin) {
  const at::Tensor gains = random_tensor({3, 1, 9, 7}, 8) * 0.1;
  for (const Extent extent : {Extent::pixel, Extent::global})
    for (const double temperature : {1.0, 0.03, 1e-6, 1e6}) {
      SCOPED_TRACE(temperature);
      const at::Tensor weights = softmax_weights(gains, temperature, extent);
      // A gain's rounding error counts in units of the temperature.
      if (temperature > 1e-3)
        expect_maps_near(weights, twins::softmax(maps_of(gains), temperature, extent), 1e-5);
      EXPECT_TRUE(at::allclose(weights.sum(0), at::ones({1, 9, 7}), 0, 1e-6));
    }
}

TEST(InformationGain, SoftmaxWeightsHaveTheirLimits) {
  const at::Tensor gains = at::stack({at::full({1, 4, 4}, 0.2), at::full({1, 4, 4}, 0.1)});
  EXPECT_TRUE(at::equal(softmax_weights(gains, 1e-6, Extent::pixel)[0], at::ones({1, 4, 4})));
  EXPECT_TRUE(at::allclose(softmax_weights(gains, 1e6, Extent::global), at::full({2, 1, 4, 4}, 0.5)));
  EXPECT_TRUE(
      at::equal(softmax_weights(at::zeros({2, 1, 4, 4}), 1e-6, Extent::pixel), at::full({2, 1, 4, 4}, 0.5)));
}

TEST(InformationGain, PowerWeightsEqualTheirTwin) {
  const at::Tensor gains = random_tensor({3, 1, 9, 7}, 8);  // a third negative, some pixels without any gain
  for (const double sharpness : {0.1, 1.0, 4.0, 16.0}) {
    const at::Tensor weights = power_weights(gains, sharpness, 0);
    expect_maps_near(weights, twins::power(maps_of(gains), sharpness), 1e-5);
    EXPECT_TRUE(at::allclose(weights.sum(0), at::ones({1, 9, 7}), 0, 1e-6));
    const at::Tensor moved = power_weights(gains.unsqueeze(0), sharpness, 1);
    EXPECT_TRUE(at::equal(moved[0], weights));
  }
}

TEST(InformationGain, PowerWeightsAreFiniteForAnyGain) {
  // From below the smallest normal number to the largest, alone and together.
  const std::vector<float> gains = {0.f, -1.f, 1e-45f, 1e-40f, 1e-30f, 1e-20f, 1.f, 1e20f, 3e38f};
  for (const float a : gains)
    for (const float b : gains)
      for (const double sharpness : {0.1, 4.0, 16.0}) {
        const at::Tensor weights = power_weights(at::tensor({a, b}).view({2, 1, 1, 1}), sharpness, 0);
        const double first = weights[0].item<double>(), second = weights[1].item<double>();
        ASSERT_NEAR(first + second, 1, 1e-6) << a << " and " << b << ", γ = " << sharpness;
        if (a == b || (a <= 0 && b <= 0)) {
          ASSERT_EQ(first, 0.5);
        }
      }
}

TEST(InformationGain, SeededNoiseIsStandardNormalAndDiffersBySeedAndNumber) {
  const at::Tensor field = seeded_noise(7, at::kCPU)(3, 256, 256);
  EXPECT_NEAR(field.mean().item<double>(), 0, 0.02);
  EXPECT_NEAR(field.std().item<double>(), 1, 0.02);
  EXPECT_TRUE(at::equal(field, seeded_noise(7, at::kCPU)(3, 256, 256)));
  // The upper half of a seed counts as well.
  std::set<double> first_numbers;
  int fields = 0;
  for (const std::int64_t seed : {0LL, 1LL, 2LL, 1LL << 32, 1LL << 33, (1LL << 53) - 1})
    for (const std::int64_t number : {0LL, 1LL, 2LL, 1'000'000LL, 1'000'001LL}) {
      first_numbers.insert(seeded_noise(seed, at::kCPU)(number, 4, 4).view(-1)[0].item<double>());
      ++fields;
    }
  EXPECT_EQ(first_numbers.size(), std::size_t(fields));
}

}  // namespace
}  // namespace digfusion
