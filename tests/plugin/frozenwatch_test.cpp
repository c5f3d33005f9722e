// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What counts as a frozen infrared camera, and what does not.
#include "plugin/frozenwatch.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "core/image/gray_image.h"
#include "core/scene/faults.h"

namespace digfusion {
namespace {

constexpr int width = 320, height = 240;
constexpr std::int64_t ms = 1'000'000;

using Samples = std::vector<std::uint16_t>;

/// A grey picture of 8 or 16 bits.
struct Grey {
  std::vector<std::uint8_t> bytes;
  Image image;
  Grey(const Samples& samples, int depth) : bytes(samples.size() * (depth / 8)) {
    for (std::size_t i = 0; i < samples.size(); ++i) {
      if (depth == 8) {
        bytes[i] = static_cast<std::uint8_t>(samples[i]);
      } else {
        bytes[2 * i] = static_cast<std::uint8_t>(samples[i]);
        bytes[2 * i + 1] = static_cast<std::uint8_t>(samples[i] >> 8);
      }
    }
    image = gray_image(bytes.data(), width, height, depth);
  }
};

FrozenWatch::Source from(const Grey& grey) {
  return [&grey] { return grey.image; };
}

Samples rounded(const scene::Plane& plane, float scale) {
  Samples samples;
  for (const float value : plane.samples)
    samples.push_back(static_cast<std::uint16_t>(std::lround(value * scale)));
  return samples;
}

const scene::Renderer& street() {
  static const auto renderer = scene::Renderer::shared(scene::Pattern::smoke, 2, width, height);
  return *renderer;
}

Samples visible_of(int n) {
  scene::Plane plane;
  street().visible(n, plane);
  return rounded(plane, 255);
}

Samples infrared_of(int n) {
  scene::Plane plane;
  street().infrared(n, plane);
  return rounded(plane, 255);
}

using Source = std::function<Samples(int)>;

/// The pictures of 2 s at 30 Hz at which infrared counts as frozen.
std::vector<int> frozen_pictures(const Source& visible, const Source& infrared, int infrared_depth = 8,
                                 int infrared_every = 1) {
  FrozenWatch watch;
  std::vector<int> frozen;
  for (int n = 0; n < 60; ++n) {
    const Grey v(visible(n), 8), i(infrared(n / infrared_every * infrared_every), infrared_depth);
    if (watch.look(from(v), from(i), n % infrared_every == 0, n * 1000 * ms / 30, 500 * ms))
      frozen.push_back(n);
  }
  return frozen;
}

/// Infrared that stands still from picture 20 to 44.
int shuttered(int n) { return n >= 20 && n < 45 ? 19 : n; }

void expect_shutter_found(const std::vector<int>& frozen) {
  ASSERT_FALSE(frozen.empty());
  EXPECT_GE(frozen.front(), 34);  // 500 ms after picture 19
  EXPECT_LE(frozen.front(), 38);
  EXPECT_EQ(frozen.back(), 44);
  EXPECT_EQ(frozen.back() - frozen.front() + 1, static_cast<int>(frozen.size()));
}

TEST(FrozenWatch, FindsAShutterBesideAMovingScene) {
  expect_shutter_found(frozen_pictures(visible_of, [](int n) { return infrared_of(shuttered(n)); }));
}

TEST(FrozenWatch, FindsItIn16BitsWithTelemetryThatCountsOn) {
  scene::Faults faults;
  faults.kelvin = true;
  faults.telemetry_rows = 4;
  const scene::FaultyCamera camera(scene::Pattern::smoke, 2, width, height, faults);
  expect_shutter_found(frozen_pictures(
      visible_of,
      [&](int n) {
        scene::Plane plane;
        camera.picture(n, shuttered(n), plane);
        return rounded(plane, 65535);
      },
      16));
}

TEST(FrozenWatch, ASlowInfraredCameraIsNotFrozen) {
  EXPECT_TRUE(frozen_pictures(visible_of, infrared_of, 8, 10).empty());
}

TEST(FrozenWatch, AStandingSceneThatRepeatsBitByBitIsNotFrozen) {
  EXPECT_TRUE(frozen_pictures([](int) { return visible_of(3); }, [](int) { return infrared_of(3); }).empty());
}

TEST(FrozenWatch, NoiseInTheDarkIsNoMovement) {
  std::mt19937 random(1);
  std::normal_distribution<float> noise(0, 12);
  const auto noisy = [&](int) {
    Samples samples = visible_of(3);
    for (std::uint16_t& s : samples)
      s = static_cast<std::uint16_t>(std::clamp(static_cast<float>(s) + noise(random), 0.0f, 255.0f));
    return samples;
  };
  EXPECT_TRUE(frozen_pictures(noisy, [](int) { return infrared_of(3); }).empty());
}

TEST(FrozenWatch, AChangeOfExposureIsNoMovement) {
  const auto brighter = [](int n) {
    Samples samples = visible_of(3);
    for (std::uint16_t& s : samples) s = static_cast<std::uint16_t>(std::min(s + n, 255));
    return samples;
  };
  EXPECT_TRUE(frozen_pictures(brighter, [](int) { return infrared_of(3); }).empty());
}

TEST(FrozenWatch, FromAStandingSceneMovementWithoutInfraredOnesIsFrozen) {
  const auto frozen =
      frozen_pictures([](int n) { return visible_of(n < 30 ? 3 : n); }, [](int) { return infrared_of(3); });
  ASSERT_FALSE(frozen.empty());
  EXPECT_GE(frozen.front(), 30);
}

TEST(FrozenWatch, LightThatChangesWithinAMinuteIsNoMovement) {
  // A shadow's edge crosses the picture in a minute; 2 s of it are less than a block.
  FrozenWatch watch;
  const Samples still = infrared_of(3), sunny = visible_of(3);
  for (int second = 0; second < 60; ++second) {
    Samples shady = sunny;
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        if (y < 20 && x < 2 * second) shady[y * width + x] /= 2;
    EXPECT_FALSE(watch.look(from(Grey(shady, 8)), from(Grey(still, 8)), true, second * 1000 * ms, 500 * ms))
        << second;
  }
}

TEST(FrozenWatch, StartsOverAfterARestart) {
  FrozenWatch watch;
  const Samples still = infrared_of(3);
  bool frozen = false;
  for (int n = 0; n < 30; ++n)
    frozen =
        watch.look(from(Grey(visible_of(n), 8)), from(Grey(still, 8)), true, n * 1000 * ms / 30, 500 * ms);
  EXPECT_TRUE(frozen);
  watch.restart();
  EXPECT_FALSE(watch.look(from(Grey(visible_of(30), 8)), from(Grey(still, 8)), true, 1000 * ms, 500 * ms));
}

}  // namespace
}  // namespace digfusion
