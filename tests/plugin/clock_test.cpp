// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/clock.h"

#include <gtest/gtest.h>

#include <random>

namespace digfusion {
namespace {

constexpr double ms = 1e6;

struct Camera {
  double fps, ppm = 0, jitter_ms = 0, drops = 0;
  int seconds = 60;
};

RateEstimate watch(const Camera& camera) {
  RateEstimate estimate;
  std::mt19937 random(1);
  std::uniform_real_distribution<double> unit(0, 1);
  const double interval = 1e9 / camera.fps;
  for (int n = 0; n < camera.seconds * camera.fps; ++n) {
    const double jitter = camera.jitter_ms * ms * (2 * unit(random) - 1);
    if (unit(random) < camera.drops) continue;
    estimate.add(static_cast<std::int64_t>(n * interval * (1 + camera.ppm * 1e-6) + jitter), interval);
  }
  return estimate;
}

TEST(RateEstimate, IsZeroForAnExactClock) {
  for (const double fps : {9.0, 25.0, 30000.0 / 1001, 60.0}) {
    const auto ppm = watch({.fps = fps}).ppm();
    ASSERT_TRUE(ppm) << fps;
    EXPECT_NEAR(*ppm, 0, 0.01) << fps;
  }
}

TEST(RateEstimate, FindsDriftEitherWayAlsoWhenItAddsUpToPictures) {
  for (const double ppm : {200.0, -50.0, 3000.0}) EXPECT_NEAR(*watch({.fps = 30, .ppm = ppm}).ppm(), ppm, 1);
}

TEST(RateEstimate, StandsJitterAndDrops) {
  for (const double fps : {9.0, 25.0, 60.0})
    EXPECT_NEAR(*watch({.fps = fps, .ppm = 200, .jitter_ms = 5, .drops = 0.1, .seconds = 120}).ppm(), 200, 15)
        << fps;
}

TEST(RateEstimate, SaysNothingTooEarlyNorWithoutARate) {
  EXPECT_FALSE(watch({.fps = 30, .seconds = 8}).ppm());
  EXPECT_TRUE(watch({.fps = 30, .seconds = 12}).ppm());
  RateEstimate estimate;
  for (int n = 0; n < 1000; ++n) estimate.add(n * 33'000'000ll, 0);
  EXPECT_FALSE(estimate.ppm());
}

TEST(RateEstimate, StartsOverAfterALongGapAndAtANewRate) {
  RateEstimate estimate = watch({.fps = 25});
  estimate.add(70'000'000'000, 4e7);
  EXPECT_FALSE(estimate.ppm());
  estimate = watch({.fps = 25});
  estimate.add(60'000'000'000, 2e7);
  EXPECT_FALSE(estimate.ppm());
}

TEST(OffsetEstimate, IsTheMedianOfTheLastDifferences) {
  OffsetEstimate estimate;
  EXPECT_FALSE(estimate.median());
  for (int n = 0; n < 300; ++n) estimate.add(n % 10 == 0 ? -33'000'000 : 5'000'000);
  EXPECT_EQ(estimate.median(), 5'000'000);
  for (int n = 0; n < 300; ++n) estimate.add(7'000'000);
  EXPECT_EQ(estimate.median(), 7'000'000);
}

}  // namespace
}  // namespace digfusion
