// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/gradient.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/fusion/gradient_evidence.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

constexpr GradientRule rule;

/// Gradient energy alone.
Evidence plain(const at::Tensor& sources) { return {sources, {}}; }

at::Tensor fuse_alone(const Evidence& evidence, double adaptation = 1) {
  GradientFusion fusion;
  return fusion.fuse(evidence, rule, adaptation);
}

double correlation(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a - a.mean(), y = b - b.mean();
  return ((x * y).sum() / ((x * x).sum() * (y * y).sum()).sqrt()).item<double>();
}

/// A dark infrared picture with a hot square, and the same square's place in the visible one, which has
/// texture everywhere.
struct Scene {
  Scene() {
    at::Tensor visible = random_pictures(1, 96, 128, 3) * 0.4, infrared = at::full({1, 1, 96, 128}, -0.7f);
    infrared.slice(2, 40, 56).slice(3, 80, 96).fill_(0.6);
    sources = at::cat({visible, infrared});
  }
  at::Tensor inside(const at::Tensor& picture) const { return picture.slice(2, 42, 54).slice(3, 82, 94); }
  at::Tensor beside(const at::Tensor& picture) const { return picture.slice(2, 64, 90).slice(3, 8, 60); }
  at::Tensor sources;
};

TEST(Gradient, BlursAsTheFormulaSays) {
  const at::Tensor picture = random_pictures(1, 12, 15, 2), blurred = gaussian_blur(picture, 1.5);
  for (const auto& [y, x] : {std::pair(0, 0), std::pair(5, 7), std::pair(11, 3)}) {
    double sum = 0, weights = 0;
    for (int j = std::max(0, y - 5); j <= std::min(11, y + 5); ++j)
      for (int i = std::max(0, x - 5); i <= std::min(14, x + 5); ++i) {
        const double w = std::exp(-((j - y) * (j - y) + (i - x) * (i - x)) / (2 * 1.5 * 1.5));
        sum += w * picture[0][0][j][i].item<double>(), weights += w;
      }
    EXPECT_NEAR(blurred[0][0][y][x].item<double>(), sum / weights, 1e-5);
  }
}

TEST(Gradient, ALargeBlurOnACoarserGridIsTheSameToTheEye) {
  const at::Tensor picture = at::zeros({1, 1, 240, 320});
  picture.slice(2, 100, 140).slice(3, 100, 180).fill_(1);
  // Two blurs of 28.3 are one of 40; those take a grid of 5 pixels, this one of 8.
  const double half = 40 / std::sqrt(2.0);
  const at::Tensor twice = gaussian_blur(gaussian_blur(picture, half), half);
  const at::Tensor inner = (gaussian_blur(picture, 40) - twice).slice(2, 60, 180).slice(3, 60, 220);
  EXPECT_LT(inner.abs().max().item<double>(), 0.02);
}

TEST(Gradient, DivergenceIsWhatFlowsOutOfEachPixel) {
  const at::Tensor sources = random_pictures(2, 7, 9, 1);
  at::Tensor weights = at::rand({2, 1, 7, 9});
  weights = weights / weights.sum(0, true);
  const at::Tensor divergence = weighted_divergence(sources, weights, 1.5);
  const auto flow = [&](int y, int x, int down, int right) {  // from (y, x) to a neighbour
    if (y < 0 || x < 0 || y + down > 6 || x + right > 8) return 0.0;
    double sum = 0;
    for (int k = 0; k < 2; ++k)
      sum += weights[k][0][y][x].item<double>() *
             (sources[k][0][y + down][x + right] - sources[k][0][y][x]).item<double>();
    return 1.5 * sum;
  };
  for (int y = 0; y < 7; ++y)
    for (int x = 0; x < 9; ++x)
      EXPECT_NEAR(divergence[0][0][y][x].item<double>(),
                  flow(y, x, 1, 0) - flow(y - 1, x, 1, 0) + flow(y, x, 0, 1) - flow(y, x - 1, 0, 1), 1e-5);
}

TEST(Gradient, WeightsFollowTheEvidenceAndSumToOne) {
  at::Tensor sources = at::zeros({3, 1, 32, 48});
  sources[0].slice(1, 0, 16, 4).fill_(0.5);   // lines above, in the first
  sources[2].slice(1, 16, {}, 4).fill_(0.5);  // and below, in the third
  const at::Tensor energy = gradient_weights(plain(sources), at::zeros({2, 1, 32, 48}), rule);
  EXPECT_TRUE(at::allclose(energy.sum(0), at::ones({1, 32, 48}), 0, 1e-5));
  EXPECT_GT(energy[0][0][4][24].item<double>(), 0.99);
  EXPECT_GT(energy[2][0][28][24].item<double>(), 0.99);
  // The error maps are heard where gradients say nothing.
  at::Tensor error = at::full({3, 2, 8, 12}, 1e-4);
  error[1].fill_(1e-2);
  const at::Tensor told =
      gradient_weights({at::zeros({3, 1, 32, 48}), error}, at::zeros({2, 1, 32, 48}), rule);
  EXPECT_GT(told[1].min().item<double>(), 0.99);
  // Heat speaks for the infrared source that has it.
  at::Tensor heat = at::zeros({2, 1, 32, 48});
  heat[1].fill_(0.4);
  const at::Tensor hot = gradient_weights(plain(at::zeros({3, 1, 32, 48})), heat, rule);
  EXPECT_GT(hot[2].min().item<double>(), hot[1].max().item<double>());
  EXPECT_TRUE(at::allclose(hot[0], hot[1], 0, 1e-5));
}

TEST(Gradient, KeepsTheTextureAndShowsTheTarget) {
  const Scene scene;
  const at::Tensor fused = fuse_alone(plain(scene.sources));
  EXPECT_GT(scene.inside(fused).mean().item<double>(), scene.beside(fused).mean().item<double>() + 0.4);
  const at::Tensor visible = scene.sources.narrow(0, 0, 1);
  EXPECT_GT(correlation(scene.beside(fused), scene.beside(visible)), 0.97);
  EXPECT_GT(scene.beside(fused).std().item<double>(), 0.8 * scene.beside(visible).std().item<double>());
  EXPECT_LE(fused.abs().max().item<double>(), 1);
}

TEST(Gradient, AnEmptySourceDoesNoHarm) {
  const at::Tensor good = random_pictures(1, 64, 80, 8) * 0.5;
  for (const double level : {-1.0, 0.0, 1.0})
    for (const bool first : {true, false}) {
      const at::Tensor empty = at::full_like(good, level);
      const at::Tensor fused = fuse_alone(plain(first ? at::cat({good, empty}) : at::cat({empty, good})));
      EXPECT_GT(correlation(fused, good), 0.98) << level << first;
      EXPECT_GT(fused.std().item<double>(), 0.8 * good.std().item<double>()) << level << first;
    }
}

TEST(Gradient, ScaleSpaceErrorsAreThoseOfBlurredSources) {
  const at::Tensor sources = random_pictures(2, 32, 40, 4);
  const at::Tensor errors = scale_space_errors(sources);
  ASSERT_EQ(errors.sizes(), at::IntArrayRef({2, 3, 32, 40}));
  EXPECT_TRUE(at::allclose(errors.narrow(1, 2, 1), (sources - gaussian_blur(sources, 1)).square()));
  EXPECT_GT(errors.select(1, 0).mean().item<double>(), errors.select(1, 2).mean().item<double>());
}

TEST(Gradient, AStandingPictureStaysAndAFrameAloneHasNoPast) {
  const Scene scene;
  GradientFusion fusion;
  const at::Tensor first = fusion.fuse(plain(scene.sources), rule, 0.05);
  EXPECT_TRUE(at::equal(first, fuse_alone(plain(scene.sources))));
  EXPECT_TRUE(at::equal(fusion.fuse(plain(scene.sources), rule, 0.05), first));
  const at::Tensor brighter = (scene.sources + 0.05).clamp(-1, 1);  // no cut
  const at::Tensor alone = fuse_alone(plain(brighter));
  EXPECT_FALSE(at::equal(fusion.fuse(plain(brighter), rule, 0.05), alone));
  fusion.reset();
  EXPECT_TRUE(at::equal(fusion.fuse(plain(brighter), rule, 0.05), alone));
}

TEST(Gradient, ACutAndAnotherSizeHaveNoPast) {
  const at::Tensor dark = random_pictures(2, 48, 64, 3) * 0.4;
  GradientFusion fusion;
  for (int i = 0; i < 3; ++i) (void)fusion.fuse(plain(dark + 0.02 * i), rule, 0.1);
  const at::Tensor other = -2 * dark;
  EXPECT_TRUE(at::equal(fusion.fuse(plain(other), rule, 0.1), fuse_alone(plain(other))));
  const at::Tensor larger = random_pictures(2, 50, 64, 7);
  EXPECT_TRUE(at::equal(fusion.fuse(plain(larger), rule, 0.1), fuse_alone(plain(larger))));
}

TEST(Gradient, WhatIsNotFiniteLeavesThePastAsItWas) {
  const Scene scene;
  GradientFusion fusion;
  const at::Tensor first = fusion.fuse(plain(scene.sources), rule, 0.05);
  at::Tensor broken = scene.sources.clone();
  broken[0][0][3][5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(at::isfinite(fusion.fuse(plain(broken), rule, 0.05)).all().item<bool>());
  EXPECT_TRUE(at::equal(fusion.fuse(plain(scene.sources), rule, 0.05), first));
}

}  // namespace
}  // namespace digfusion
