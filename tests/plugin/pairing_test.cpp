// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The pairing rule, driven as the element drives it, beside a brute-force search for the nearest picture.
#include "plugin/pairing.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <vector>

namespace digfusion {
namespace {

std::vector<Slot> stream(int count, double fps, double start_ms = 0, double jitter_ms = 0,
                         unsigned seed = 1) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> jitter(-jitter_ms, jitter_ms);
  const double interval = 1e9 / fps;
  std::vector<Slot> slots;
  for (int i = 0; i < count; ++i)
    slots.push_back({static_cast<std::int64_t>(start_ms * 1e6 + i * interval + jitter(random) * 1e6),
                     static_cast<std::int64_t>(interval)});
  return slots;
}

/// Index of the infrared picture for each visible one; -1 where there is none. All of the infrared stream is
/// known.
std::vector<int> pair_all(const std::vector<Slot>& visible, std::vector<Slot> infrared) {
  std::vector<int> pairs;
  std::size_t first = 0;
  int held = -1;
  for (const Slot& v : visible) {
    int chosen = -2;
    while (chosen == -2 && first < infrared.size()) {
      const auto in_hand = held >= 0 ? std::optional(infrared[held]) : std::nullopt;
      switch (pair(in_hand, infrared[first], v)) {
        case Pairing::hold:
          chosen = held;
          break;
        case Pairing::take:
          chosen = static_cast<int>(first);
          break;
        case Pairing::advance:
          held = static_cast<int>(first++);
      }
    }
    if (chosen == -2) chosen = held >= 0 && covers(infrared[held], v) ? held : -1;
    if (chosen >= 0) infrared[chosen].used = true;
    if (chosen == static_cast<int>(first) && passed_after(infrared[first], v))
      held = static_cast<int>(first++);
    pairs.push_back(chosen);
  }
  return pairs;
}

void expect_one_to_one(const std::vector<Slot>& visible, const std::vector<Slot>& infrared) {
  const auto pairs = pair_all(visible, infrared);
  for (std::size_t i = 0; i < pairs.size(); ++i) ASSERT_EQ(pairs[i], static_cast<int>(i));
}

TEST(Pairing, IsOneToOneAtEqualRatesAndTimes) { expect_one_to_one(stream(300, 30), stream(300, 30)); }

TEST(Pairing, IsOneToOneAtEqualRatesWithAnyOffsetUpToHalfAPicture) {
  for (const double offset : {-16.6, -10., -1., 1., 10., 16.6})
    expect_one_to_one(stream(300, 30), stream(300, 30, offset));
}

TEST(Pairing, IsOneToOneHalfAPictureApartWithRoundedOrJitteringTimestamps) {
  for (unsigned seed = 1; seed < 20; ++seed)
    for (const double offset : {-16.667, 16.667}) {
      expect_one_to_one(stream(300, 30, 0, 1e-6, seed), stream(300, 30, offset, 1e-6, seed + 100));
      expect_one_to_one(stream(300, 30, 0, 1.5, seed), stream(300, 30, offset, 1.5, seed + 100));
    }
}

TEST(Pairing, IsNearestAtUnequalRates) {
  const double rates[][2] = {{30, 9}, {25, 30}, {30, 25}, {9, 30}, {60, 24}, {10, 12.5}};
  for (const auto& [visible_rate, infrared_rate] : rates)
    for (const double offset : {0., 3.3, 40., -25.}) {
      const auto visible = stream(200, visible_rate);
      const auto infrared =
          stream(static_cast<int>(200 * infrared_rate / visible_rate) + 10, infrared_rate, offset);
      const auto pairs = pair_all(visible, infrared);
      for (std::size_t v = 0; v < visible.size(); ++v) {
        std::int64_t nearest = INT64_MAX;
        for (const Slot& slot : infrared) nearest = std::min(nearest, std::abs(slot.time - visible[v].time));
        ASSERT_GE(pairs[v], 0);
        // A nanosecond: times of these streams are rounded.
        EXPECT_LE(std::abs(infrared[pairs[v]].time - visible[v].time), nearest + 2)
            << visible_rate << " and " << infrared_rate << " fps, picture " << v;
      }
    }
}

TEST(Pairing, IsWithinHalfAFrameAtEveryRateWithDriftJitterAndDrops) {
  for (const double visible_rate : {9., 25., 30000. / 1001, 30., 60.})
    for (const double infrared_rate : {9., 25., 30.})
      for (const double jitter_ms : {0., 3.}) {
        const int seconds = 60;
        const auto visible = stream(static_cast<int>(seconds * visible_rate), visible_rate);
        auto infrared = stream(static_cast<int>((seconds + 1) * infrared_rate), infrared_rate * (1 - 200e-6),
                               7, jitter_ms, 5);
        std::mt19937 random(7);
        std::erase_if(infrared, [&](const Slot&) { return random() % 100 == 0; });
        const auto pairs = pair_all(visible, infrared);
        const double half = 0.5e9 / infrared_rate + jitter_ms * 1e6;
        int beyond = 0;
        for (std::size_t v = 0; v < visible.size(); ++v) {
          ASSERT_GE(pairs[v], 0);
          const double error = static_cast<double>(std::abs(infrared[pairs[v]].time - visible[v].time));
          // Beside a lost picture, and a quarter more where one-to-one pairing is kept half a picture apart.
          EXPECT_LE(error, 2.5 * half);
          beyond += error > 1.25 * half;
        }
        EXPECT_LE(beyond, 0.04 * static_cast<double>(visible.size()))
            << visible_rate << " and " << infrared_rate << " fps, jitter " << jitter_ms << " ms";
      }
}

TEST(Pairing, NeverGoesBack) {
  const auto pairs = pair_all(stream(500, 30, 0, 12, 3), stream(500, 29, 5, 12, 4));
  for (std::size_t i = 1; i < pairs.size(); ++i) EXPECT_GE(pairs[i], pairs[i - 1]);
}

TEST(Pairing, TakesAPictureOfTheSameTimeWithoutItsSuccessor) {
  EXPECT_EQ(pair({}, {1000, 0}, {1000, 0}), Pairing::take);
  EXPECT_EQ(pair({}, {1000, 400}, {1000, 400}), Pairing::take);
}

TEST(Pairing, LetsAFusedPictureGoAtEqualRatesAndKeepsItForASlowStream) {
  EXPECT_TRUE(passed_after({1000, 40}, {1000, 40}));
  EXPECT_FALSE(passed_after({1000, 110}, {1000, 33}));
}

TEST(Pairing, TheLastPictureStandsForItsIntervalAndNoLonger) {
  EXPECT_TRUE(covers({0, 100'000'000}, {60'000'000, 33'000'000}));
  EXPECT_FALSE(covers({0, 33'333'334}, {33'333'333, 33'333'333}));  // rounded
}

TEST(Pairing, AnOldPictureIsNotUsable) {
  const Limits limits;
  EXPECT_TRUE(is_usable({0, 33'000'000}, {999'000'000, 0}, limits));
  EXPECT_FALSE(is_usable({0, 33'000'000}, {1'001'000'000, 0}, limits));
  EXPECT_TRUE(is_usable({0, 5'000'000'000}, {4'000'000'000, 0}, limits));  // one picture in five seconds
  EXPECT_FALSE(is_usable({0, 33'000'000}, {200'000'000, 0}, {.max_age = 100'000'000}));
}

TEST(Pairing, APictureAheadIsUsableWithinTheTolerance) {
  EXPECT_TRUE(is_usable({400'000'000, 33'000'000}, {0, 0}, {}));
  EXPECT_FALSE(is_usable({1'400'000'000, 33'000'000}, {0, 0}, {}));
  EXPECT_FALSE(is_usable({30'000'000, 33'000'000}, {0, 0}, {.tolerance = 20'000'000}));
  EXPECT_TRUE(is_usable({20'000'000, 33'000'000}, {0, 0}, {.tolerance = 20'000'000}));
}

}  // namespace
}  // namespace digfusion
