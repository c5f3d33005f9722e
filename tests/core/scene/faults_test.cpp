// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A faulty infrared camera beside the perfect one.
#include "core/scene/faults.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

namespace digfusion::scene {
namespace {

constexpr int width = 160, height = 120;
constexpr std::int64_t second = 1'000'000'000, ms = 1'000'000;

Plane light(std::int64_t n, int w = width, int h = height, int margin = 0) {
  Plane plane;
  Renderer(Pattern::smoke, 3, w, h, margin).infrared_light(n, plane);
  return plane;
}

Plane perfect(std::int64_t n) {
  Plane plane;
  Renderer(Pattern::smoke, 3, width, height).infrared(n, plane);
  return plane;
}

Plane picture(const Faults& faults, std::int64_t n = 5, std::int64_t shown = 5, int h = height) {
  Plane plane;
  FaultyCamera(Pattern::smoke, 3, width, h, faults).picture(n, shown, plane);
  return plane;
}

double mean_difference(const Plane& a, const Plane& b, int border = 0) {
  double sum = 0;
  int count = 0;
  for (int y = border; y < a.height - border; ++y)
    for (int x = border; x < a.width - border; ++x, ++count) sum += std::abs(a.at(x, y) - b.at(x, y));
  return sum / count;
}

double deviation(const std::vector<float>& values) {
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / values.size();
  double sum = 0;
  for (const float value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / values.size());
}

TEST(Faults, NoneIsThePerfectPicture) {
  EXPECT_EQ(picture({}).samples, perfect(5).samples);
  EXPECT_TRUE(Faults{}.perfect_picture());
}

TEST(Faults, AMarginShowsMoreOfTheSameScene) {
  const Plane plain = light(5), wide = light(5, width, height, 16);
  ASSERT_EQ(wide.width, width + 32);
  ASSERT_EQ(wide.height, height + 32);
  double worst = 0;
  for (int y = 8; y < height - 8; ++y)  // the optics' blur repeats edges
    for (int x = 8; x < width - 8; ++x)
      worst = std::max<double>(worst, std::abs(plain.at(x, y) - wide.at(x + 16, y + 16)));
  EXPECT_LT(worst, 2e-3);
  EXPECT_THROW(Renderer(Pattern::smoke, 3, width, height, -1), std::invalid_argument);
}

TEST(Faults, AnOffsetOfWholePixelsMovesThePictureToTheRightAndDown) {
  Faults faults;
  faults.offset_x = 7;
  faults.offset_y = -3;
  const Plane moved = picture(faults), plain = light(5);
  double sum = 0;
  int count = 0;
  for (int y = 5; y < height - 8; ++y)
    for (int x = 12; x < width - 8; ++x, ++count) sum += std::abs(moved.at(x, y) - plain.at(x - 7, y + 3));
  EXPECT_LT(sum / count, 0.006) << "the sensor's noise is all that differs";
  EXPECT_GT(mean_difference(moved, plain), 0.02);
}

TEST(Faults, TheCameraSeesWhatLiesOutsideOfThePictureAndRepeatsNoEdge) {
  Faults faults;
  faults.offset_x = 12;
  const Plane moved = picture(faults);
  double left = 0;
  for (int y = 0; y < height; ++y) left += std::abs(moved.at(0, y) - moved.at(6, y));
  EXPECT_GT(left / height, 0.01);
}

TEST(Faults, RotationTurnsClockwiseAboutTheCentre) {
  Faults faults;
  faults.rotation = 2;
  const Plane turned = picture(faults), plain = light(5);
  const double angle = 2 * std::acos(-1.0) / 180, cx = 0.5 * (width - 1), cy = 0.5 * (height - 1);
  double along = 0, against = 0;
  for (int y = 10; y < height - 10; ++y)
    for (int x = 10; x < width - 10; ++x) {
      const double dx = x - cx, dy = y - cy;
      // Where the point (x, y) goes, nearest sample.
      const auto at = [&](double s) {
        return turned.at(static_cast<int>(std::lround(cx + std::cos(angle) * dx - s * std::sin(angle) * dy)),
                         static_cast<int>(std::lround(cy + s * std::sin(angle) * dx + std::cos(angle) * dy)));
      };
      along += std::abs(at(1) - plain.at(x, y));
      against += std::abs(at(-1) - plain.at(x, y));
    }
  EXPECT_LT(2 * along, against);
}

TEST(Faults, NoiseHasItsStandardDeviationAndIsNewWithEachFrame) {
  Faults faults;
  faults.noise = 8;
  const Plane noisy = picture(faults), clean = light(5);
  std::vector<float> differences;
  for (std::size_t i = 0; i < clean.samples.size(); ++i)
    if (clean.samples[i] > 0.15f && clean.samples[i] < 0.85f)
      differences.push_back(noisy.samples[i] - clean.samples[i]);
  EXPECT_NEAR(deviation(differences) * 255, 8, 0.5);
  EXPECT_GT(mean_difference(noisy, picture(faults, 6, 6)), 8 / 255.0 * 0.8);
}

TEST(Faults, ColumnNoiseIsCommonToAColumnAndStays) {
  Faults faults;
  faults.column_noise = 8;
  const auto columns = [&](std::int64_t n) {
    const Plane noisy = picture(faults, n, n), clean = light(n);
    std::vector<float> means(width);
    for (int x = 0; x < width; ++x)
      for (int y = 0; y < height; ++y) means[x] += (noisy.at(x, y) - clean.at(x, y)) / height;
    return means;
  };
  const std::vector<float> first = columns(5), later = columns(9);
  EXPECT_NEAR(deviation(first) * 255, 8, 1.5);
  for (int x = 0; x < width; ++x) EXPECT_NEAR(first[x], later[x], 0.015) << x;
}

TEST(Faults, DeadPixelsAreStuckAtEitherEndAndStay) {
  Faults faults;
  faults.dead_pixels = 40;
  const Plane dead = picture(faults), plain = perfect(5), later = picture(faults, 50, 50);
  int stuck = 0, black = 0;
  for (std::size_t i = 0; i < dead.samples.size(); ++i)
    if (dead.samples[i] != plain.samples[i]) {
      EXPECT_TRUE(dead.samples[i] == 0 || dead.samples[i] == 1);
      EXPECT_EQ(dead.samples[i], later.samples[i]);
      ++stuck, black += dead.samples[i] == 0;
    }
  EXPECT_GE(stuck, 36);  // two may fall on one place
  EXPECT_LE(stuck, 40);
  EXPECT_GT(black, 5);
  EXPECT_LT(black, 35);
}

TEST(Faults, TelemetryLiesBelowAWholeSceneAndCountsFrames) {
  Faults faults;
  faults.telemetry_rows = 2;
  const Plane plane = picture(faults, 11, 5, height + 2), plain = perfect(5);
  ASSERT_EQ(plane.height, height + 2);
  EXPECT_TRUE(std::equal(plain.samples.begin(), plain.samples.end(), plane.samples.begin()));
  int number = 0;
  for (int bit = 0; bit < 32; ++bit) number |= static_cast<int>(plane.at(bit, height)) << bit;
  EXPECT_EQ(number, 11);
  EXPECT_EQ(plane.at(40, height), picture(faults, 12, 6, height + 2).at(40, height));
}

TEST(Faults, KelvinAreThoseOfAStreetWithPeople) {
  Faults faults;
  faults.kelvin = true;
  const Plane plane = picture(faults);
  Plane heat;
  Renderer(Pattern::smoke, 3, width, height).heat(5, heat);
  double warmest = 0, people = 0, street = 0;
  int person_pixels = 0, street_pixels = 0;
  for (std::size_t i = 0; i < plane.samples.size(); ++i) {
    const double kelvin = plane.samples[i] * 655.35;
    ASSERT_GE(kelvin, coldest_kelvin - 0.01);
    ASSERT_LE(kelvin, hottest_kelvin + 0.01);
    warmest = std::max(warmest, kelvin);
    if (heat.samples[i] > 0.85f) people += kelvin, ++person_pixels;
    if (heat.samples[i] < 0.05f) street += kelvin, ++street_pixels;
  }
  ASSERT_GT(person_pixels, 0);
  EXPECT_GT(people / person_pixels, street / street_pixels + 8);
  EXPECT_GT(warmest, 273.15 + 28);
}

TEST(Faults, StampsAreOffByOffsetAndDrift) {
  Faults faults;
  faults.clock_offset = -40 * ms;
  faults.clock_drift = 200;
  EXPECT_EQ(stamp_of(faults, 1, 0, 0, 33 * ms), -40 * ms);
  EXPECT_EQ(stamp_of(faults, 1, 36000, 3600 * second, 33 * ms), 3600 * second + 720 * ms - 40 * ms);
  EXPECT_EQ(nominal_of(faults, taken_at(faults, 3600 * second)), 3600 * second);
}

TEST(Faults, JitterIsBoundedSpreadAndKeepsTheOrder) {
  Faults faults;
  faults.jitter = 10 * ms;
  std::int64_t least = second, most = -second, before = -second;
  for (int n = 0; n < 1000; ++n) {
    const std::int64_t nominal = n * 40 * ms, stamp = stamp_of(faults, 1, n, nominal, 40 * ms);
    EXPECT_GT(stamp, before);
    before = stamp;
    least = std::min(least, stamp - nominal);
    most = std::max(most, stamp - nominal);
  }
  EXPECT_GE(least, -10 * ms);
  EXPECT_LE(most, 10 * ms);
  EXPECT_LT(least, -9 * ms);
  EXPECT_GT(most, 9 * ms);
  faults.jitter = second;
  for (int n = 1; n < 1000; ++n)
    EXPECT_GT(stamp_of(faults, 1, n, n * 40 * ms, 40 * ms),
              stamp_of(faults, 1, n - 1, (n - 1) * 40 * ms, 40 * ms));
}

TEST(Faults, DropsAreTheirShareAndDependOnTheSeed) {
  Faults faults;
  faults.drops = 0.1;
  int dropped = 0, alike = 0;
  for (int n = 0; n < 10000; ++n) {
    dropped += is_dropped(faults, 1, n);
    alike += is_dropped(faults, 1, n) && is_dropped(faults, 2, n);
  }
  EXPECT_NEAR(dropped, 1000, 100);
  EXPECT_NEAR(alike, 100, 50);
}

TEST(Faults, TheShutterRepeatsTheFrameBeforeItForItsLength) {
  Faults faults;
  faults.shutter_interval = 2 * second;
  faults.shutter_length = 500 * ms;
  const std::int64_t interval = 33'333'333;
  for (std::int64_t n = 0; n < 200; ++n) {
    const std::int64_t nominal = n * second / 30, closed = nominal % (2 * second);
    const bool frozen = nominal >= 2 * second && closed < 500 * ms;
    EXPECT_EQ(shown_in(faults, n, nominal, interval), frozen ? n / 60 * 60 - 1 : n) << n;
  }
}

TEST(Faults, ADriftingCameraShowsTheSceneOfItsTime) {
  Faults faults;
  faults.clock_drift = 1000;
  EXPECT_EQ(shown_in(faults, 400, 400 * 33 * ms, 33 * ms), 400);
  EXPECT_EQ(shown_in(faults, 3000, 3000 * 33 * ms, 33 * ms), 3003);
}

}  // namespace
}  // namespace digfusion::scene
