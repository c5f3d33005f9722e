// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The kernels' bodies, run by the CPU's loops, against float64 and brute force.
#include "core/device/kernels.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <random>
#include <vector>

#include "core/denoiser/group_norm.h"
#include "core/device/launch_cpu.h"
#include "core/diffusion/steps.h"
#include "core/fusion/bands.h"
#include "core/fusion/gradient.h"
#include "core/fusion/gradient_frame.h"
#include "core/fusion/noise_levels.h"
#include "core/fusion/poisson.h"
#include "core/image/luma.h"
#include "core/image/pad.h"
#include "tests/core/image/test_image.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

const std::unique_ptr<Kernels> kernels = make_cpu_kernels();

TEST(Numbers, OfSixteenBitsAreRoundedAsLibTorchDoes) {
  std::mt19937 random(1);
  for (int i = 0; i < 200000; ++i) {
    const float value = float_of(std::uint32_t(random()));
    if (std::isnan(value)) continue;
    ASSERT_EQ(to_float16(value), c10::Half(value).x) << value;
    ASSERT_EQ(to_bfloat16(value), c10::BFloat16(value).x) << value;
  }
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float expected = c10::Half(std::uint16_t(bits), c10::Half::from_bits());
    const float found = from_float16(std::uint16_t(bits));
    ASSERT_TRUE(std::isnan(expected) ? std::isnan(found) : bits_of(found) == bits_of(expected)) << bits;
  }
  EXPECT_TRUE(std::isnan(from_float16(to_float16(NAN))));
}

TEST(Ranked, FindsEveryPlaceInTheOrder) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (const int count : {1, 2, 7, 300, 5000}) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = std::round(normal(random) * 8) / 8;
    std::vector<float> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    for (const int rank : {0, count / 4, (count - 1) / 2, count - 1}) {
      CpuBlock block;
      EXPECT_EQ(ranked(block, count, rank, [&](int i) { return values[std::size_t(i)]; }),
                sorted[std::size_t(rank)]);
    }
  }
}

TEST(Interpolated, EqualsATensInFloat64) {
  for (const auto& [height, width] : {std::pair{5, 7}, {16, 12}, {33, 64}})
    for (const int factor : {2, 3, 8}) {
      const Extent2 e{height, width}, half = half_of(e);
      const at::Tensor map = random_tensor({1, 1, height, width}, 3);
      const MapValue value{map.const_data_ptr<float>(), width};
      const std::vector<double> larger = numbers(at::upsample_bilinear2d(
                                    map.to(at::kDouble), {height * factor, width * factor}, false)),
                                smaller = numbers(at::upsample_bilinear2d(map.to(at::kDouble),
                                                                          {half.height, half.width}, false));
      for (int y = 0; y < height * factor; ++y)
        for (int x = 0; x < width * factor; ++x)
          ASSERT_NEAR(enlarged_at(value, e, factor, y, x), larger[std::size_t(y * width * factor + x)], 1e-5);
      for (int y = 0; y < half.height; ++y)
        for (int x = 0; x < half.width; ++x)
          ASSERT_NEAR(halved_at(value, e, y, x), smaller[std::size_t(y * half.width + x)], 1e-5);
    }
}

class KernelsOnEveryLayout : public testing::TestWithParam<Layout> {};

// Random sizes and odd pitches; the visible picture's luma, padded, and the output's bytes.
TEST_P(KernelsOnEveryLayout, IsReadPaddedAndWrittenAsByTheLoops) {
  std::mt19937 random(5);
  for (int run = 0; run < 4; ++run) {
    const int width = 16 + int(random() % 60), height = 16 + int(random() % 40);
    TestImage visible(GetParam(), width, height, run == 3), infrared(layout_named("GRAY8"), width, height),
        output(GetParam(), width, height, run == 3), by_loops(GetParam(), width, height, run == 3);
    if (run % 2 == 1) visible.image.range = output.image.range = by_loops.image.range = Range::limited;
    visible.image.matrix = visible.image.is_rgb ? Matrix::rgb : run == 2 ? Matrix::bt709 : Matrix::bt601;
    output.image.matrix = by_loops.image.matrix = visible.image.matrix;
    visible.fill(unsigned(run));
    infrared.fill(unsigned(run) + 9);
    Parameters p;
    p.evidence = EvidenceSource::gradient;
    GradientFrame frame(make_cpu_backend(), nullptr);
    frame.fuse(std::array{visible.image, infrared.image}, {}, {}, output.image, p);
    EXPECT_TRUE(at::equal(frame.stages()[0].second.narrow(0, 0, 1), read_luma(visible.image)));
    write_fused(visible.image, frame.fused().clamp(-1, 1), by_loops.image);
    EXPECT_EQ(output.bytes(), by_loops.bytes());
    EXPECT_TRUE(output.is_intact_around_rows());
  }
}
INSTANTIATE_TEST_SUITE_P(Kernels, KernelsOnEveryLayout, testing::ValuesIn(layouts),
                         [](const auto& info) { return std::string(info.param.name); });

// What unfolds on one frame without a past, each stage from the stage before, in float64 by ATen.
TEST(Kernels, WeighAndSolveAsATensInFloat64) {
  for (const auto& [count, height, width] : {std::tuple{2, 64, 80}, {3, 47, 61}, {2, 16, 17}, {2, 200, 33}}) {
    std::vector<std::unique_ptr<TestImage>> images;
    std::vector<Image> sources;
    for (int k = 0; k < count; ++k) {
      images.push_back(std::make_unique<TestImage>(layout_named("GRAY8"), width, height));
      sources.push_back(images.back()->image);
    }
    std::vector<at::Tensor> ready;
    for (int k = 0; k < count; ++k) ready.push_back(random_pictures(1, height, width, std::uint64_t(20 + k)));
    TestImage output(layout_named("GRAY8"), width, height);
    Parameters p;
    p.evidence = EvidenceSource::gradient;
    GradientFrame frame(make_cpu_backend(), nullptr);
    frame.fuse(sources, ready, {}, output.image, p);
    std::map<std::string, at::Tensor> found;
    for (const auto& [name, tensor] : frame.stages()) found[name] = tensor.to(at::kDouble);

    const GradientRule rule;
    const at::Tensor c = at::cat(ready).to(at::kDouble), heat = heat_of(c);
    EXPECT_TRUE(at::allclose(found["planes"], c));
    const at::Tensor weights = gradient_weights({c, {}}, heat, rule);
    EXPECT_LT((found["weights"] - weights).abs().max().item<double>(), 2e-3) << width;
    EXPECT_LT((found["weights"] - weights).abs().mean().item<double>(), 2e-5) << width;
    // The base, from the kernels' weights.
    const at::Tensor choice = gaussian_blur(found["weights"], rule.base_radius) * (count * rule.base_choice);
    const at::Tensor base = ((choice + (1 - rule.base_choice)) * (c - c.mean({1, 2, 3}, true))).sum(0, true) +
                            heat.amax(0, true).clamp_min(0) * rule.hot_base;
    EXPECT_LT((found["base"] - base).abs().max().item<double>(), 1e-4);
    const double deviation = base.std(false).item<double>();
    const at::Tensor start = (base - base.mean()) * std::clamp(50 / 127.5 / deviation, .5, 1.4) + c.mean();
    const at::Tensor right = start * rule.screening - weighted_divergence(c, found["weights"], rule.gain);
    EXPECT_LT((found["right side"] - right).abs().max().item<double>(), 1e-4);
    // The same cycles by ATen, whose distance from the exact solution is poisson_test's.
    ScreenedPoisson solver;
    const at::Tensor solution = solver.solve_with_aten(
        start.to(at::kFloat), found["right side"].to(at::kFloat), rule.screening, rule.cycles);
    EXPECT_LT((found["solution"] - solution).abs().max().item<double>(), 2e-4);
    const at::Tensor fused = fit_tone(found["solution"], tone_range(found["solution"].to(at::kFloat)));
    EXPECT_LT((found["fused"] - fused).abs().max().item<double>(), 2e-4);
  }
}

TEST(Kernels, NormaliseGroupsAsFloat64) {
  std::uint64_t seed = 40;
  for (const auto& [count, channels, height, width] :
       {std::tuple{1, 32, 5, 7}, {2, 96, 16, 9}, {3, 64, 1, 1}})
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf})
      for (const bool with_film : {false, true}) {
        const at::Tensor x = (random_tensor({count, channels, height, width}, ++seed) * 3 + 2)
                                 .to(type)
                                 .contiguous(at::MemoryFormat::ChannelsLast);
        const at::Tensor weight = random_tensor({channels}, ++seed), bias = random_tensor({channels}, ++seed),
                         film = with_film ? random_tensor({count, 2 * channels}, ++seed) : at::Tensor();
        at::Tensor y = at::empty_like(x), factors = at::empty({count, 2 * channels}),
                   expected = at::empty(x.sizes(), at::kDouble);
        const Number number = type == at::kFloat  ? Number::float32
                              : type == at::kHalf ? Number::float16
                                                  : Number::bfloat16;
        kernels->group_norm({x.const_data_ptr(), y.mutable_data_ptr(), number, count, height * width,
                             channels, 32, 1e-5f, weight.const_data_ptr<float>(),
                             bias.const_data_ptr<float>(), with_film ? film.const_data_ptr<float>() : nullptr,
                             with_film, factors.mutable_data_ptr<float>()});
        at::Tensor exact =
            at::group_norm(x.to(at::kDouble), 32, weight.to(at::kDouble), bias.to(at::kDouble), 1e-5);
        if (with_film) {
          const at::Tensor both = film.to(at::kDouble).unsqueeze(2).unsqueeze(3);
          exact = exact * (both.narrow(1, 0, channels) + 1) + both.narrow(1, channels, channels);
          exact = exact * exact.sigmoid();
        }
        const double bound = type == at::kFloat ? 1e-5 : type == at::kHalf ? 1e-3 : 5e-3;
        EXPECT_TRUE(at::allclose(y.to(at::kDouble), exact, bound, bound)) << channels << " " << type;
      }
}

TEST(Kernels, StepAsGuidedSamplingDoes) {
  const at::Tensor x = random_tensor({1, 1, 31, 17}, 1), predicted = random_tensor({1, 1, 31, 17}, 2),
                   target = random_tensor({1, 1, 31, 17}, 3).tanh(), noise = random_tensor({1, 1, 31, 17}, 4);
  for (const auto& [alpha_bar, next] : {std::pair{1e-3, 0.05}, {0.4, 0.7}, {0.97, 1.0}}) {
    const at::Tensor x0 = one_step_estimate(x.to(at::kDouble), predicted.to(at::kDouble), alpha_bar),
                     guided = at::lerp(x0, target.to(at::kDouble), 0.35),
                     expected = ddpm_step(x.to(at::kDouble), guided, noise.to(at::kDouble), alpha_bar, next);
    at::Tensor found = at::empty_like(x);
    kernels->guided_step({x.const_data_ptr<float>(), predicted.const_data_ptr<float>(),
                          target.const_data_ptr<float>(), next < 1 ? noise.const_data_ptr<float>() : nullptr,
                          found.mutable_data_ptr<float>(), int(x.numel()), float(std::sqrt(alpha_bar)),
                          float(std::sqrt(1 - alpha_bar)), 0.35f,
                          float(std::sqrt(next) * (1 - alpha_bar / next) / (1 - alpha_bar)),
                          float(std::sqrt(alpha_bar / next) * (1 - next) / (1 - alpha_bar)),
                          float(std::sqrt(posterior_variance(alpha_bar, next)))});
    EXPECT_TRUE(at::allclose(found.to(at::kDouble), expected, 1e-4, 1e-5)) << alpha_bar;
  }
}

TEST(Kernels, CombineBandsAsFloat64) {
  for (const auto& [levels, count] : {std::pair{1, 2}, {4, 2}, {3, 5}})
    for (const Base base : {Base::average, Base::mixed, Base::maximum}) {
      const at::Tensor sources = random_tensor({count, 1, 19, 23}, 1),
                       means = random_tensor({levels, count, 1, 19, 23}, 2),
                       weights = at::softmax(random_tensor({levels, count, 1, 19, 23}, 3), 1);
      at::Tensor fused = at::empty({1, 1, 19, 23});
      kernels->combine({sources.const_data_ptr<float>(), means.const_data_ptr<float>(),
                        weights.const_data_ptr<float>(), fused.mutable_data_ptr<float>(), count, levels,
                        19 * 23, static_cast<int>(base)});
      const at::Tensor expected =
          combine_bands(sources.to(at::kDouble), means.to(at::kDouble), weights.to(at::kDouble), base);
      EXPECT_TRUE(at::allclose(fused.to(at::kDouble), expected, 1e-5, 1e-5));
    }
}

}  // namespace
}  // namespace digfusion
