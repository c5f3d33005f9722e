// SPDX-License-Identifier: LGPL-2.1-or-later
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/device/current_kernels.h"
#include "core/fusion/bands.h"
#include "core/fusion/guided.h"
#include "tests/core/fusion/fake_denoiser.h"

namespace digfusion {
namespace {

Parameters guided_parameters() {
  Parameters p;
  p.method = Method::guided;
  p.steps = 6;
  p.interval = 2;
  p.draws = 2;
  p.smoothing = 1;
  return p;
}

at::Tensor sample(const at::Tensor& sources, const Parameters& p) {
  const FakeDenoiser denoiser;
  Evaluator evaluator(denoiser);
  return sample_guided(evaluator, sources, p, fake_noise);
}

TEST(GuidedPlan, CountsThePapersEvaluations) {
  Parameters p;
  ASSERT_FALSE(set(p, "preset", "paper"));
  const GuidedPlan plan = plan_guided(linear_schedule(), p);
  EXPECT_EQ(plan.timesteps.size(), 25u);
  EXPECT_EQ(plan.levels, (std::vector<int>{plan.timesteps[0], plan.timesteps[10], plan.timesteps[20]}));
  EXPECT_EQ(plan.evaluations(2, p.draws), 31u);

  const FakeDenoiser denoiser;
  Evaluator evaluator(denoiser);
  (void)sample_guided(evaluator, random_pictures(2, 16, 16, 1), p, fake_noise);
  EXPECT_EQ(evaluator.evaluations(), 31u);
  // All levels and sources in one batch before sampling starts.
  ASSERT_EQ(denoiser.batches.size(), 26u);
  EXPECT_EQ(denoiser.batches[0], 6);
  EXPECT_TRUE(
      std::all_of(denoiser.batches.begin() + 1, denoiser.batches.end(), [](int n) { return n == 1; }));
}

TEST(GuidedPlan, EvaluatesEachLevelOnceForEverySourceAndDraw) {
  for (const int steps : {15, 20, 25, 50, 100})
    for (const int interval : {1, 5, 10, 20, 1000})
      for (const auto& [sources, draws] : {std::pair(2, 1), std::pair(2, 4), std::pair(3, 2)})
        for (const Spacing spacing : {Spacing::uniform, Spacing::quadratic}) {
          Parameters p = guided_parameters();
          p.steps = steps;
          p.interval = interval;
          p.draws = draws;
          p.spacing = spacing;
          const std::size_t levels = std::size_t((steps + interval - 1) / interval);
          ASSERT_EQ(plan_guided(linear_schedule(), p).evaluations(std::size_t(sources), draws),
                    std::size_t(steps) + levels * std::size_t(sources * draws))
              << steps << " steps, S = " << interval;
        }
}

TEST(GuidedPlan, IsWhatSamplingEvaluates) {
  for (const auto& [steps, interval, sources, draws] : {std::tuple(15, 10, 2, 1), std::tuple(20, 1, 3, 2),
                                                        std::tuple(50, 20, 2, 4), std::tuple(100, 5, 2, 1)}) {
    Parameters p = guided_parameters();
    p.steps = steps;
    p.interval = interval;
    p.draws = draws;
    const FakeDenoiser denoiser;
    Evaluator evaluator(denoiser);
    (void)sample_guided(evaluator, random_pictures(sources, 16, 16, 1), p, fake_noise);
    EXPECT_EQ(evaluator.evaluations(),
              plan_guided(denoiser.schedule(), p).evaluations(std::size_t(sources), draws));
    p.guidance = Guidance::em;  // has no weights
    Evaluator again(denoiser);
    (void)sample_guided(again, random_pictures(sources, 16, 16, 1), p, fake_noise);
    EXPECT_EQ(again.evaluations(), std::uint64_t(steps));
  }
}

TEST(GuidedPlan, HoldsWeightsForAnInterval) {
  Parameters p = guided_parameters();
  p.steps = 7;
  p.interval = 3;
  const GuidedPlan plan = plan_guided(linear_schedule(), p);
  ASSERT_EQ(plan.segments.size(), 3u);
  const int expected[3][3] = {{0, 0, 1}, {3, 1, 2}, {6, 2, -1}};  // past the last step is t' = 0
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(plan.segments[std::size_t(i)].first_step, expected[i][0]);
    EXPECT_EQ(plan.segments[std::size_t(i)].level, expected[i][1]);
    EXPECT_EQ(plan.segments[std::size_t(i)].next_level, expected[i][2]);
  }
}

TEST(GuidedPlan, AnIntervalOfAllStepsMeansOnce) {
  for (const int interval : {25, 26, 1000}) {
    Parameters p;
    p.interval = interval;
    const GuidedPlan plan = plan_guided(linear_schedule(), p);
    ASSERT_EQ(plan.segments.size(), 1u);
    EXPECT_EQ(plan.segments[0].next_level, -1);
    EXPECT_EQ(plan.levels, std::vector<int>{999});
  }
}

TEST(GuidedPlan, WithoutADistanceThereAreNoLevels) {
  Parameters p = guided_parameters();
  p.distance = Distance::none;
  EXPECT_TRUE(plan_guided(linear_schedule(), p).levels.empty());
  const FakeDenoiser denoiser;
  Evaluator evaluator(denoiser);
  (void)sample_guided(evaluator, random_pictures(2, 16, 16, 1), p, fake_noise);
  EXPECT_EQ(evaluator.evaluations(), 6u);
}

TEST(GuidedSamplingInColour, DoesInEachChannelWhatItDoesToLuma) {
  const at::Tensor luma = random_pictures(2, 16, 24, 11);
  const at::Tensor colour = luma.expand({2, 3, 16, 24}).contiguous();
  const auto one_noise = [](std::int64_t number, std::int64_t height, std::int64_t width) {
    return fake_noise(number & 0xffffff, height, width);  // that of the first channel in all
  };
  for (const Guidance guidance : {Guidance::constant, Guidance::posterior, Guidance::em})
    for (const Distance distance : {Distance::l2, Distance::ssim, Distance::none}) {
      Parameters p = guided_parameters();
      p.guidance = guidance;
      p.distance = distance;
      const FakeDenoiser denoiser;
      Evaluator evaluator(denoiser);
      const at::Tensor fused = sample_guided(evaluator, colour, p, one_noise);
      ASSERT_EQ(fused.sizes(), at::IntArrayRef({1, 3, 16, 24}));
      EXPECT_TRUE(at::allclose(fused, sample(luma, p).expand_as(fused), 0, 1e-5));
    }
}

TEST(GuidedSamplingInColour, DrawsNoiseOfItsOwnForEachChannel) {
  const at::Tensor field = field_for(at::zeros({2, 3, 16, 24}), fake_noise, 5);
  ASSERT_EQ(field.sizes(), at::IntArrayRef({1, 3, 16, 24}));
  EXPECT_TRUE(at::equal(field.narrow(1, 0, 1), fake_noise(5, 16, 24)));
  EXPECT_FALSE(at::allclose(field.narrow(1, 0, 1), field.narrow(1, 1, 1)));
  EXPECT_FALSE(at::allclose(field.narrow(1, 1, 1), field.narrow(1, 2, 1)));
}

TEST(GuidedPlan, HasSoundSegmentsForEveryStepCountAndInterval) {
  Parameters p = guided_parameters();
  for (p.steps = 1; p.steps <= 40; ++p.steps)
    for (p.interval = 1; p.interval <= 41; ++p.interval) {
      const GuidedPlan plan = plan_guided(linear_schedule(), p);
      ASSERT_EQ(plan.segments.size(), std::size_t((p.steps + p.interval - 1) / p.interval));
      ASSERT_EQ(plan.levels.size(), plan.segments.size());
      ASSERT_TRUE(std::is_sorted(plan.levels.rbegin(), plan.levels.rend()));
    }
}

struct Case {
  const char* name;
  void (*change)(Parameters&);
};

class GuidedSampling : public testing::TestWithParam<Case> {};

TEST_P(GuidedSampling, EqualsItsTwin) {
  Parameters p = guided_parameters();
  GetParam().change(p);
  const int height = 16, width = 18;
  const FakeDenoiser denoiser;
  for (const int count : {2, 3}) {
    const at::Tensor sources = random_pictures(count, height, width, 11);
    const twins::Map twin = twins::guided(maps_of(sources), denoiser.schedule().alpha_bar, p,
                                          twin_noise(height, width), first_sampling_field);
    expect_maps_near(sample(sources, p), {twin}, 5e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Of, GuidedSampling,
    testing::Values(Case{"ddpm", [](Parameters&) {}},
                    Case{"ddim", [](Parameters& p) { p.sampler = Sampler::ddim; }},
                    Case{"eta", [](Parameters& p) { p.sampler = Sampler::ddim, p.eta = 0.7; }},
                    Case{"posterior", [](Parameters& p) { p.guidance = Guidance::posterior; }},
                    Case{"em", [](Parameters& p) { p.guidance = Guidance::em; }},
                    Case{"em_ddim",
                         [](Parameters& p) { p.guidance = Guidance::em, p.sampler = Sampler::ddim; }},
                    Case{"fixed_large", [](Parameters& p) { p.variance = Variance::fixed_large; }},
                    Case{"learned", [](Parameters& p) { p.variance = Variance::learned; }},
                    Case{"uniform", [](Parameters& p) { p.spacing = Spacing::uniform; }},
                    Case{"global", [](Parameters& p) { p.extent = Extent::global; }},
                    Case{"l1", [](Parameters& p) { p.distance = Distance::l1; }},
                    Case{"ssim", [](Parameters& p) { p.distance = Distance::ssim; }},
                    Case{"none", [](Parameters& p) { p.distance = Distance::none; }},
                    Case{"once", [](Parameters& p) { p.interval = 100; }},
                    Case{"unguided", [](Parameters& p) { p.guidance_scale = 0; }},
                    Case{"one_step", [](Parameters& p) { p.steps = 1; }},
                    Case{"every_step", [](Parameters& p) { p.interval = 1, p.smoothing = 0, p.draws = 1; }}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(GuidedSampling, FullGuidanceReturnsTheWeightedSources) {
  Parameters p = guided_parameters();
  p.guidance_scale = 1;
  p.distance = Distance::none;
  const at::Tensor sources = random_pictures(2, 16, 16, 3);
  EXPECT_TRUE(at::allclose(sample(sources, p), sources.mean(0, true), 0, 1e-6));
  p.distance = Distance::l2;
  const at::Tensor equal = sources.narrow(0, 0, 1).expand({3, 1, 16, 16});
  EXPECT_TRUE(at::allclose(sample(equal, p), equal.narrow(0, 0, 1), 0, 1e-6));
}

TEST(GuidedSampling, IsAFunctionOfItsNoise) {
  const at::Tensor sources = random_pictures(2, 16, 16, 3);
  const Parameters p = guided_parameters();
  EXPECT_TRUE(at::equal(sample(sources, p), sample(sources, p)));
  const FakeDenoiser denoiser;
  Evaluator evaluator(denoiser);
  const at::Tensor other =
      sample_guided(evaluator, sources, p,
                    [](std::int64_t n, std::int64_t h, std::int64_t w) { return fake_noise(n + 17, h, w); });
  EXPECT_FALSE(at::equal(sample(sources, p), other));
}

TEST(GuidedSampling, DdimWithoutEtaAsksForTheStartAlone) {
  Parameters p = guided_parameters();
  p.sampler = Sampler::ddim;
  p.distance = Distance::none;
  std::vector<std::int64_t> asked;
  const FakeDenoiser denoiser;
  Evaluator evaluator(denoiser);
  (void)sample_guided(evaluator, random_pictures(2, 16, 16, 3), p,
                      [&](std::int64_t n, std::int64_t h, std::int64_t w) {
                        asked.push_back(n);
                        return fake_noise(n, h, w);
                      });
  EXPECT_EQ(asked, std::vector<std::int64_t>{first_sampling_field});
}

TEST(Kernels, SampleAsTheOperatorsDo) {
  const at::Tensor sources = random_pictures(3, 16, 24, 4);
  for (const Sampler sampler : {Sampler::ddpm, Sampler::ddim})
    for (const Variance variance : {Variance::fixed_small, Variance::fixed_large, Variance::learned})
      for (const double eta : {0., 0.7}) {
        Parameters p = guided_parameters();
        p.sampler = sampler;
        p.variance = variance;
        p.eta = eta;
        const at::Tensor expected = sample(sources, p);
        const KernelUseGuard guard(KernelUse::everywhere);
        const at::Tensor found = sample(sources, p);
        // The sums are added up in another order: not the same bits where the kernel is what has run.
        EXPECT_EQ(at::equal(found, expected), sampler == Sampler::ddpm && variance == Variance::learned);
        EXPECT_TRUE(at::allclose(found, expected, 0, 2e-5)) << (found - expected).abs().max();
      }
}

TEST(Kernels, ShowAnObserverEveryStep) {
  const KernelUseGuard guard(KernelUse::everywhere);
  const Parameters p = guided_parameters();
  const FakeDenoiser denoiser;
  Evaluator evaluator(denoiser);
  int steps = 0;
  (void)sample_guided(evaluator, random_pictures(2, 16, 16, 1), p, fake_noise,
                      [&](const GuidedStep& step) { steps += step.x0.defined() && step.guided.defined(); });
  EXPECT_EQ(steps, p.steps);
}

TEST(GuidedPlan, GivesTheWeightsOfItsSegments) {
  const Parameters p = guided_parameters();
  const FakeDenoiser denoiser;
  Evaluator evaluator(denoiser);
  const at::Tensor sources = random_pictures(2, 16, 16, 1);
  std::vector<at::Tensor> shown, given;
  (void)sample_guided(
      evaluator, sources, p, fake_noise,
      [&](const GuidedStep& step) {
        if (shown.empty() || !shown.back().is_same(step.weights)) shown.push_back(step.weights);
      },
      &given);
  ASSERT_EQ(given.size(), 3u);
  ASSERT_EQ(shown.size(), given.size());
  for (std::size_t i = 0; i < given.size(); ++i) EXPECT_TRUE(at::equal(shown[i], given[i]));
}

constexpr Base bases[] = {Base::average, Base::mixed, Base::maximum};

TEST(Bands, OfEqualSourcesTelescopeToTheSource) {
  const at::Tensor one = random_pictures(1, 16, 20, 1);
  const at::Tensor sources = at::cat({one, one, one});
  const at::Tensor means = random_tensor({4, 1, 1, 16, 20}, 2).expand({4, 3, 1, 16, 20});
  const at::Tensor weights = at::softmax(random_tensor({4, 3, 1, 16, 20}, 3), 1);
  for (const Base base : bases)
    EXPECT_TRUE(at::allclose(combine_bands(sources, means, weights, base), one, 0, 3e-6));
}

TEST(Kernels, CombineAsTheOperatorsDo) {
  for (const std::int64_t channels : {1, 3}) {
    const at::Tensor sources = random_tensor({2, channels, 16, 20}, 1),
                     // As a student gives them: levels and sources the other way round in memory.
        means = random_tensor({2, 3, channels, 16, 20}, 2).transpose(0, 1),
                     weights = at::softmax(random_tensor({3, 2, 1, 16, 20}, 3), 1);
    for (const Base base : bases)
      for (const at::Tensor& each : {weights, at::full({1, 1, 1, 1, 1}, 0.5).expand({3, 2, 1, 16, 20})}) {
        const at::Tensor expected = combine_bands(sources, means, each, base);
        const KernelUseGuard guard(KernelUse::everywhere);
        const at::Tensor found = combine_bands(sources, means, each, base);
        EXPECT_EQ(found.sizes(), expected.sizes());
        EXPECT_TRUE(at::allclose(found, expected, 0, 1e-5));
      }
  }
}

TEST(Bands, OneHotWeightsGiveASourcesDetailOnTheBase) {
  const at::Tensor sources = random_pictures(2, 16, 20, 1), means = random_tensor({3, 2, 1, 16, 20}, 2) * 0.5;
  for (const int k : {0, 1}) {
    at::Tensor weights = at::zeros({3, 2, 1, 16, 20});
    weights.select(1, k).fill_(1);
    const at::Tensor detail = sources[k] - means[0][k];
    EXPECT_TRUE(at::allclose(combine_bands(sources, means, weights, Base::average)[0],
                             (means[0][0] + means[0][1]) / 2 + detail, 0, 1e-6));
    EXPECT_TRUE(at::allclose(combine_bands(sources, means, weights, Base::maximum)[0],
                             at::maximum(means[0][0], means[0][1]) + detail, 0, 1e-6));
  }
}

TEST(Bands, GainsAreWhatALevelAdds) {
  const at::Tensor distances = random_tensor({3, 2, 1, 4, 4}, 1).abs(), before = distances.clone();
  const at::Tensor gains = level_gains(distances);
  EXPECT_TRUE(at::equal(gains[0], distances[0] - distances[1]));
  EXPECT_TRUE(at::equal(gains[1], distances[1] - distances[2]));
  EXPECT_TRUE(at::equal(gains[2], distances[2]));  // below the last level nothing is missing
  EXPECT_TRUE(at::equal(distances, before));
  EXPECT_TRUE(at::equal(level_gains(distances.narrow(0, 0, 1)), distances.narrow(0, 0, 1)));
}

TEST(Bands, JointWeightsChooseASourceForEachPlace) {
  const int height = 16, width = 18;
  const at::Tensor sources = random_pictures(3, height, width, 22);
  const std::vector<int> timesteps = {200, 15};
  const FakeDenoiser denoiser;
  Evaluator evaluator(denoiser);
  const LevelEstimates estimates =
      estimate_levels(evaluator, sources, timesteps, Distance::l2, 2, fake_noise);
  std::vector<twins::Level> levels;
  for (const int t : timesteps)
    levels.push_back(twins::level(maps_of(sources), denoiser.schedule().alpha_bar[std::size_t(t)],
                                  Distance::l2, 2, twin_noise(height, width)));
  Parameters p;
  p.band_weights = BandWeights::joint;
  p.smoothing = 2;
  p.sharpness = 3;
  const twins::Maps weights = twins::joint(levels, p.smoothing, p.sharpness), pictures = maps_of(sources);
  twins::Map fused(height, width);
  for (std::size_t k = 0; k < pictures.size(); ++k)
    for (std::size_t i = 0; i < fused.value.size(); ++i)
      fused.value[i] += weights[k].value[i] * pictures[k].value[i];
  for (const Base base : bases) {  // without effect
    p.base = base;
    expect_maps_near(fuse_bands(sources, estimates.mean, estimates.distance.squeeze(2), p), {fused}, 1e-4);
  }
  // The sum over the levels telescopes to that choice.
  const at::Tensor w = joint_weights(box_filter(estimates.distance.squeeze(2), p.smoothing), p.sharpness);
  const at::Tensor means = estimates.mean, below = at::cat({means.narrow(0, 1, 1), sources.unsqueeze(0)});
  const at::Tensor telescoped = (w.unsqueeze(1) * (means[0] + (below - means).sum(0))).sum(0, true);
  expect_maps_near(telescoped, {fused}, 1e-4);
}

TEST(Bands, JointWeightsAreEqualWhereNothingIsGained) {
  EXPECT_TRUE(at::allclose(joint_weights(at::zeros({4, 3, 5, 6}), 16), at::full({3, 5, 6}, 1.0 / 3)));
}

TEST(Bands, TakeDistancesOnACoarserGrid) {
  // Constant over 4×4 pixels and far from their borders both grids say the same.
  const at::Tensor sources = random_pictures(2, 32, 32, 5), means = random_tensor({2, 2, 1, 32, 32}, 6);
  at::Tensor coarse = at::ones({2, 2, 8, 8});
  coarse.select(1, 1).narrow(2, 4, 4).fill_(9);
  const at::Tensor fine = at::upsample_nearest2d(coarse, {32, 32});
  Parameters p;
  for (const BandWeights kind : {BandWeights::separate, BandWeights::joint}) {
    p.band_weights = kind;
    const at::Tensor a = fuse_bands(sources, means, coarse, p), b = fuse_bands(sources, means, fine, p);
    for (const std::int64_t column : {0, 26})  // 6 of smoothing and 4 of interpolation away
      EXPECT_TRUE(at::allclose(a.narrow(3, column, 6), b.narrow(3, column, 6), 0, 1e-5)) << column;
  }
}

TEST(Bands, EqualTheirTwin) {
  const int height = 16, width = 18;
  const at::Tensor sources = random_pictures(3, height, width, 21);
  const std::vector<int> timesteps = {500, 200, 60, 15};
  const FakeDenoiser denoiser;
  Evaluator evaluator(denoiser);
  const LevelEstimates estimates =
      estimate_levels(evaluator, sources, timesteps, Distance::l2, 4, fake_noise);
  std::vector<twins::Level> levels;
  for (const int t : timesteps)
    levels.push_back(twins::level(maps_of(sources), denoiser.schedule().alpha_bar[std::size_t(t)],
                                  Distance::l2, 4, twin_noise(height, width)));
  for (const Base base : bases) {
    const at::Tensor weights = power_weights(box_filter(level_gains(estimates.distance), 3), 2, 1);
    expect_maps_near(combine_bands(sources, estimates.mean, weights, base),
                     {twins::bands(maps_of(sources), levels, 3, 2, base)}, 2e-4);
  }
}

}  // namespace
}  // namespace digfusion
