// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/temporal.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/fusion/gradient.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

constexpr double gray_level = 2 / 255.;
constexpr GradientRule rule;
constexpr double adaptation = 0.05;

at::Tensor still_scene() { return random_pictures(2, 98, 131, 3) * 0.4; }

at::Tensor with_noise(const at::Tensor& sources, double sigma, std::uint64_t seed) {
  return sources + random_tensor(sources.sizes(), seed) * sigma;
}

at::Tensor next(GradientFusion& stream, const at::Tensor& sources) {
  return stream.fuse({sources, {}}, rule, adaptation);
}

at::Tensor alone(const at::Tensor& sources) { return GradientFusion().fuse({sources, {}}, rule, 1); }

double mean_distance(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().mean().item<double>(); }

/// A square of 24 pixels, hot in the second source and bright in the first, whose left edge is at x.
at::Tensor with_square(const at::Tensor& sources, int x) {
  at::Tensor result = sources.clone();
  result.slice(2, 40, 64).slice(3, x, x + 24).fill_(0.7);
  return result;
}

TEST(Temporal, TheFirstFrameChangesNothing) {
  SceneMemory memory;
  const SceneChange change = memory.follow(still_scene(), 0.1);
  EXPECT_FALSE(change.share.defined());
  EXPECT_EQ(change.shift, (std::vector<double>{0, 0}));
  EXPECT_EQ(change.renewal, 0);
}

TEST(Temporal, NoiseIsTakenForStandingStillAndMotionIsNot) {
  const at::Tensor scene = still_scene();
  SceneMemory memory;
  SceneChange change;
  for (int t = 0; t < 30; ++t) change = memory.follow(with_noise(scene, 4 * gray_level, 10 + t), 0.1);
  EXPECT_LT(change.share.mean().item<double>(), 0.12);
  change = memory.follow(with_noise(with_square(scene, 50), 4 * gray_level, 50), 0.1);
  ASSERT_EQ(change.share.sizes(), at::IntArrayRef({1, 1, 98, 131}));
  EXPECT_EQ(change.share.slice(2, 40, 64).slice(3, 50, 74).min().item<double>(), 1);
  EXPECT_LT(change.share.slice(3, 90).mean().item<double>(), 0.12);
  EXPECT_EQ(change.renewal, 0);
}

TEST(Temporal, AFaintWideObjectIsSeen) {
  const at::Tensor scene = still_scene();
  at::Tensor veiled = scene.clone();
  veiled.slice(2, 30, 70).slice(3, 40, 80) += 5 * gray_level;
  SceneMemory memory;
  (void)memory.follow(scene, 0.1);
  const SceneChange change = memory.follow(veiled, 0.1);
  EXPECT_GT(change.share.slice(2, 38, 62).slice(3, 48, 72).mean().item<double>(), 0.5);
}

TEST(Temporal, TheShiftIsThatOfTheLightAlone) {
  const at::Tensor scene = still_scene();
  at::Tensor lighter = with_square(scene, 30);
  lighter[0] += 0.05;
  SceneMemory memory;
  (void)memory.follow(scene, 0.1);
  const SceneChange change = memory.follow(lighter, 0.1);
  EXPECT_NEAR(change.shift[0], 0.05, 1e-4);
  EXPECT_NEAR(change.shift[1], 0, 1e-4);
  EXPECT_NEAR(change.share[0][0][90][120].item<double>(), 0.1, 1e-5);
  EXPECT_EQ(memory.follow(-2 * scene, 0.1).renewal, 1);
}

TEST(Temporal, AStandingSceneWithNoiseFlickersLess) {
  const at::Tensor scene = still_scene();
  GradientFusion stream;
  at::Tensor before, before_alone;
  double flicker = 0, flicker_alone = 0;
  for (int t = 0; t < 16; ++t) {
    const at::Tensor sources = with_noise(scene, 2 * gray_level, 30 + t), fused = next(stream, sources),
                     by_itself = alone(sources);
    if (t > 0) {
      flicker += mean_distance(fused, before);
      flicker_alone += mean_distance(by_itself, before_alone);
    }
    before = fused, before_alone = by_itself;
  }
  EXPECT_LT(flicker, 0.2 * flicker_alone);
}

TEST(Temporal, AMovingSquareLeavesNoTrail) {
  const at::Tensor scene = still_scene();
  GradientFusion stream;
  at::Tensor fused, by_itself;
  for (int t = 0; t < 16; ++t) {
    const at::Tensor sources = with_noise(with_square(scene, 4 + 5 * t), gray_level, 70 + t);
    fused = next(stream, sources);
    by_itself = alone(sources);
  }
  // Where it has been, last and long ago, and where it is.
  for (const int x : {20, 40, 60, 79})
    EXPECT_LT(mean_distance(fused.slice(2, 40, 64).slice(3, x, x + 15),
                            by_itself.slice(2, 40, 64).slice(3, x, x + 15)),
              6 * gray_level)
        << x;
}

TEST(Temporal, AJumpOfExposureSettlesAtOnceWithoutOvershoot) {
  const at::Tensor scene = still_scene();
  const at::Tensor offset = at::tensor({0.06f, 0.f}).view({2, 1, 1, 1});
  for (const double gain : {1.0, 1.3}) {
    const at::Tensor after = at::cat({scene.narrow(0, 0, 1) * gain, scene.narrow(0, 1, 1)}) + offset;
    GradientFusion stream;
    for (int t = 0; t < 5; ++t) (void)next(stream, scene);
    const double light_before = alone(scene).mean().item<double>();
    const at::Tensor settled = alone(after);
    const double light_after = settled.mean().item<double>();
    for (int t = 0; t < 12; ++t) {
      const at::Tensor fused = next(stream, after);
      const double light = fused.mean().item<double>();
      EXPECT_GT(light, std::min(light_before, light_after) - 2 * gray_level) << gain << " " << t;
      EXPECT_LT(light, std::max(light_before, light_after) + 2 * gray_level) << gain << " " << t;
      // A shift is followed within the frame, anything else within five.
      if (gain == 1 || t >= 5) {
        EXPECT_LT(mean_distance(fused, settled), (gain == 1 ? 1 : 5) * gray_level) << gain << " " << t;
      }
    }
  }
}

TEST(Temporal, AnotherRuleHasNoPast) {
  const at::Tensor scene = still_scene();
  GradientFusion stream;
  for (int t = 0; t < 3; ++t) (void)next(stream, with_noise(scene, 2 * gray_level, 90 + t));
  GradientRule other = rule;
  other.hot_base = 1;
  EXPECT_TRUE(
      at::equal(stream.fuse({scene, {}}, other, adaptation), GradientFusion().fuse({scene, {}}, other, 1)));
}

}  // namespace
}  // namespace digfusion
