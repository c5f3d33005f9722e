// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/gain_control.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace digfusion {
namespace {

/// A street at night in the middle of a 14-bit camera's range, with someone warm: values of single pixels.
std::vector<int> scene(unsigned seed, double shift = 0, int pixels = 30000, double warm_share = 0.03) {
  std::mt19937 random(seed);
  std::normal_distribution<double> street(7600, 60), person(8100, 25);
  std::vector<int> values;
  for (int i = 0; i < pixels; ++i)
    values.push_back(int(std::lround(shift + (i < warm_share * pixels ? person(random) : street(random)))));
  return values;
}

Histogram histogram_of(const std::vector<int>& values) {
  Histogram histogram(raw_values);
  for (const int v : values) ++histogram[std::clamp(v, 0, raw_values - 1)];
  return histogram;
}

TEST(PercentileLimits, LeaveHalfAPerCentOnEitherSide) {
  for (const int pixels : {50, 199, 201, 4800, 30001}) {
    std::vector<int> values = scene(1, 0, pixels);
    const RawLimits limits = percentile_limits(histogram_of(values));
    std::sort(values.begin(), values.end());
    const int tail = int(std::floor(0.005 * pixels));
    EXPECT_EQ(limits.low, values[tail]) << pixels;
    EXPECT_EQ(limits.high, values[pixels - 1 - tail]) << pixels;
  }
}

TEST(PercentileLimits, AreNoNarrowerThanNoiseIsWide) {
  const RawLimits wall = percentile_limits(histogram_of({30000, 30001, 30002, 30003, 30004}));
  EXPECT_EQ(wall.low, 30002 - 32);
  EXPECT_EQ(wall.high, 30002 + 32);
  const RawLimits nothing = percentile_limits(Histogram(raw_values));
  EXPECT_GE(nothing.high - nothing.low, narrowest_range);
}

TEST(LinearCurve, IsStraightBetweenItsLimits) {
  const Curve curve = linear_curve({7000.5, 9000.5});
  for (int v = 0; v < raw_values; ++v)
    ASSERT_NEAR(curve[v], std::min(1.0, std::max(-1.0, (v - 7000.5) / 1000 - 1)), 1e-6) << v;
}

/// The curve's value at `v`, summed up plainly.
double plateau_twin(const Histogram& histogram, int low, int high, int v) {
  const int radius = (high - low + 1) / 256 / 2;
  std::vector<double> density;
  double all = 0, clipped = 0;
  for (int i = low; i <= high; ++i) {
    double sum = 0;
    int count = 0;
    for (int j = std::max(low, i - radius); j <= std::min(high, i + radius); ++j)
      sum += histogram[j], ++count;
    density.push_back(sum / count);
    all += sum / count;
  }
  const double most = 2 * all / double(density.size());
  for (const double d : density) clipped += std::max(0.0, d - most);
  double below = 0;
  for (int i = low; i <= v; ++i) {
    const double d = std::min(density[i - low], most) + clipped / double(density.size());
    below += i < v ? d : d / 2;
  }
  return 2 * below / all - 1;
}

TEST(PlateauCurve, IsTheClippedHistogramSummedUp) {
  const Histogram histogram = histogram_of(scene(2));
  const RawLimits limits = percentile_limits(histogram);
  const Curve curve = plateau_curve(histogram, limits);
  for (int v = int(limits.low); v <= int(limits.high); v += 7)
    ASSERT_NEAR(curve[v], plateau_twin(histogram, int(limits.low), int(limits.high), v), 1e-5) << v;
  EXPECT_EQ(curve[int(limits.low) - 1], -1);
  EXPECT_EQ(curve[int(limits.high) + 1], 1);
}

TEST(PlateauCurve, RisesEverywhereAndNowhereMoreThanThreeTimesAsFastAsTheLine) {
  for (const unsigned seed : {3u, 4u})
    for (const int pixels : {4800, 30000}) {
      const Histogram histogram = histogram_of(scene(seed, 0, pixels));
      const RawLimits limits = percentile_limits(histogram);
      const Curve curve = plateau_curve(histogram, limits);
      const double line = 2 / (limits.high - limits.low + 1);
      for (int v = int(limits.low) + 1; v <= int(limits.high); ++v) {
        ASSERT_GE(curve[v], curve[v - 1]) << v;
        ASSERT_LE(curve[v] - curve[v - 1], 3 * line + 1e-6) << v;
      }
    }
}

TEST(PlateauCurve, SpreadsWhatManyPixelsHave) {
  const Histogram histogram = histogram_of(scene(5));
  const RawLimits limits = percentile_limits(histogram);
  const Curve plateau = plateau_curve(histogram, limits), line = linear_curve(limits);
  EXPECT_GT(plateau[7660] - plateau[7540], 1.7 * (line[7660] - line[7540]));  // the street
  EXPECT_LT(plateau[8000] - plateau[7850], 0.9 * (line[8000] - line[7850]));  // nobody's values
}

TEST(PlateauCurve, OfNoPixelsIsTheLine) {
  EXPECT_EQ(plateau_curve(Histogram(raw_values), {100, 300}), linear_curve({100, 300}));
}

TEST(RangeCurve, ShowsARangeOfRawValues) {
  const Curve curve = range_curve({ThermalRange::Unit::raw, 100, 300}, {});
  EXPECT_EQ(curve[99], -1);
  EXPECT_EQ(curve[100], -1);
  EXPECT_FLOAT_EQ(curve[150], -0.5f);
  EXPECT_EQ(curve[300], 1);
  EXPECT_EQ(curve[65535], 1);
}

TEST(RangeCurve, ShowsARangeOfTemperatures) {
  const ThermalRange room{ThermalRange::Unit::celsius, 10, 40};
  const Curve kelvin = range_curve(room, {});
  EXPECT_NEAR(kelvin[28315], -1, 1e-6);  // 283.15 K
  EXPECT_NEAR(kelvin[29815], 0, 1e-6);   // 25 °C
  EXPECT_NEAR(kelvin[31315], 1, 1e-6);
  Radiometry falling;  // a sensor whose values fall with warmth
  falling.scale = -0.02;
  falling.offset = 200;
  const Curve curve = range_curve(room, falling);
  EXPECT_NEAR(curve[8750], 0, 1e-6);
  EXPECT_NEAR(curve[8000], 1, 1e-6);
  EXPECT_NEAR(curve[9500], -1, 1e-6);
}

class Follower : public testing::TestWithParam<GainControl> {
 protected:
  double farthest(const Curve& a, const Curve& b) {
    double most = 0;
    for (int v = 0; v < raw_values; ++v) most = std::max(most, double(std::abs(a[v] - b[v])));
    return most;
  }
  Curve alone(const Histogram& histogram) {
    return GetParam() == GainControl::plateau ? plateau_curve(histogram, percentile_limits(histogram))
                                              : linear_curve(percentile_limits(histogram));
  }
};

TEST_P(Follower, DoesNotBreatheWithNoise) {
  GainFollower follower;
  const Curve first = follower.follow(histogram_of(scene(0)), GetParam(), 0.05);
  double most = 0, alone_most = 0;
  for (unsigned frame = 1; frame < 60; ++frame) {
    const Histogram histogram = histogram_of(scene(frame));
    most = std::max(most, farthest(first, follower.follow(histogram, GetParam(), 0.05)));
    alone_most = std::max(alone_most, farthest(first, alone(histogram)));
  }
  EXPECT_LT(most, 0.002);
  EXPECT_GT(alone_most, 0.01);  // without a dead band it would have
}

TEST_P(Follower, ApproachesWhatTheSceneAsksForWithoutAJump) {
  GainFollower follower;
  Curve before = follower.follow(histogram_of(scene(1)), GetParam(), 0.05);
  const Histogram warmer = histogram_of(scene(1, 40));
  const Curve wanted = alone(warmer);
  const double way = farthest(before, wanted);
  ASSERT_GT(way, 0.1);
  for (int frame = 0; frame < 200; ++frame) {
    const Curve& now = follower.follow(warmer, GetParam(), 0.05);
    ASSERT_LE(farthest(before, now), 0.07 * way) << frame;
    before = now;
  }
  EXPECT_LT(farthest(before, wanted), 0.06);  // what the dead band leaves
}

TEST_P(Follower, TakesOverAtOnceAtACut) {
  GainFollower follower;
  follower.follow(histogram_of(scene(1)), GetParam(), 0.05);
  const Histogram other = histogram_of(scene(1, 5000));  // or a camera that has recalibrated
  EXPECT_EQ(follower.follow(other, GetParam(), 0.05), alone(other));
}

TEST_P(Follower, TakesEachPictureByItselfWithAdaptationOne) {
  GainFollower follower;
  for (unsigned frame = 0; frame < 3; ++frame) {
    const Histogram histogram = histogram_of(scene(frame));
    EXPECT_EQ(follower.follow(histogram, GetParam(), 1), alone(histogram));
  }
}

TEST_P(Follower, TakesOverAtOnceAfterAChangeOfMode) {
  const GainControl other =
      GetParam() == GainControl::plateau ? GainControl::percentile : GainControl::plateau;
  GainFollower follower;
  follower.follow(histogram_of(scene(1)), other, 0.05);
  const Histogram histogram = histogram_of(scene(2));
  EXPECT_EQ(follower.follow(histogram, GetParam(), 0.05), alone(histogram));
}

INSTANTIATE_TEST_SUITE_P(Modes, Follower, testing::Values(GainControl::percentile, GainControl::plateau),
                         [](const auto& info) { return name_of("gain-control", int(info.param)); });

TEST(PercentileFollower, KeepsTwoPerCentOfTheRangeForADeadBand) {
  GainFollower follower;
  Histogram histogram(raw_values);
  histogram[1000] = histogram[2000] = 100;
  histogram[1500] = 1000;
  follower.follow(histogram, GainControl::percentile, 0.1);
  double high = 2000;
  for (const int hottest : {2015, 2200, 2300, 2300, 2100, 2290}) {
    Histogram now(raw_values);
    now[1000] = now[hottest] = 100;
    now[1500] = 1000;
    follower.follow(now, GainControl::percentile, 0.1);
    const double band = 0.02 * (high - 1000), change = hottest - high;
    if (std::abs(change) > band) high += 0.1 * (change - std::copysign(band, change));
    EXPECT_NEAR(follower.limits().high, high, 1e-9) << hottest;
    EXPECT_EQ(follower.limits().low, 1000);
  }
  EXPECT_GT(high, 2050);
}

}  // namespace
}  // namespace digfusion
