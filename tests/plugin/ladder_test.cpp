// SPDX-License-Identifier: LGPL-2.1-or-later
//
// When the element changes presets, on simulated time.
#include "plugin/ladder.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <vector>

namespace digfusion {
namespace {

constexpr std::int64_t ms = 1'000'000, second = 1000 * ms, interval = 40 * ms;

/// A machine that takes so long for each preset, times what else it has to do.
struct Machine {
  Ladder ladder;
  std::map<Preset, double> cost = {
      {Preset::quality, 100}, {Preset::balanced, 60}, {Preset::realtime, 25}, {Preset::minimal, 5}};
  std::int64_t now = 0;
  std::vector<Preset> changes;

  explicit Machine(Preset wanted, Preset floor = Preset::realtime) { ladder.restart(wanted, floor); }

  void run(double seconds, double load = 1) {
    for (const auto end = now + std::int64_t(seconds * double(second)); now < end;) {
      const auto time = std::int64_t(cost[ladder.preset()] * load * ms);
      now += std::max(time, interval);
      if (ladder.computed(time, interval, now)) changes.push_back(ladder.preset());
    }
  }
};

TEST(Ladder, HoldsWhatItsPresetsSetAndNothingElse) {
  Parameters p;
  EXPECT_TRUE(Ladder::holds(p));
  for (const char* preset : {"quality", "balanced", "minimal"}) {
    ASSERT_FALSE(set(p, "preset", preset));
    EXPECT_TRUE(Ladder::holds(p)) << preset;
  }
  ASSERT_FALSE(set(p, "noise", "10"));
  EXPECT_TRUE(Ladder::holds(p)) << "no preset decides it";
  ASSERT_FALSE(set(p, "student-size", "medium"));
  EXPECT_FALSE(Ladder::holds(p));
  ASSERT_FALSE(set(p, "preset", "paper"));
  EXPECT_FALSE(Ladder::holds(p));
}

TEST(Ladder, GoesDownUntilThePicturesAreInTime) {
  Machine machine(Preset::quality);
  machine.run(10);
  EXPECT_EQ(machine.changes, (std::vector{Preset::balanced, Preset::realtime}));
  machine.run(600);
  EXPECT_EQ(machine.changes.size(), 2u) << "at the same load nothing changes any more";
}

TEST(Ladder, StopsAtItsFloor) {
  Machine machine(Preset::quality);
  machine.run(10, 4);
  EXPECT_EQ(machine.ladder.preset(), Preset::realtime);
  EXPECT_FALSE(machine.ladder.late(interval, machine.now + second));
  Machine lower(Preset::quality, Preset::minimal);
  lower.run(10, 4);
  EXPECT_EQ(lower.ladder.preset(), Preset::minimal);
  Machine dearer(Preset::realtime, Preset::quality);
  dearer.run(10, 4);
  EXPECT_EQ(dearer.ladder.preset(), Preset::realtime) << "a floor above what was asked for";
}

TEST(Ladder, ComesBackWhenTheOtherLoadHasGone) {
  Machine machine(Preset::balanced);
  machine.cost[Preset::balanced] = 25;
  machine.cost[Preset::realtime] = 12;
  machine.run(10, 2);
  EXPECT_EQ(machine.changes, (std::vector{Preset::realtime}));
  machine.run(4);
  EXPECT_EQ(machine.changes.size(), 1u) << "not at once";
  machine.run(6);
  EXPECT_EQ(machine.changes, (std::vector{Preset::realtime, Preset::balanced}));
}

TEST(Ladder, AWrongAttemptIsRepeatedEverMoreRarely) {
  // What goes up looks as if it would do, by what it cost beside the cheaper one's first second, and never
  // does.
  Ladder ladder;
  ladder.restart(Preset::balanced, Preset::realtime);
  int changes = 0;
  std::int64_t changed = 0;
  for (std::int64_t now = 0; now < 600 * second; now += interval) {
    const int time = ladder.preset() == Preset::balanced ? 42 : now - changed < second ? 25 : 10;
    if (!ladder.computed(time * ms, interval, now)) continue;
    ++changes;
    changed = now;
  }
  EXPECT_GE(changes, 5);
  EXPECT_LE(changes, 15);
  EXPECT_EQ(ladder.preset(), Preset::realtime);
}

TEST(Ladder, APictureThatTakesSecondsIsEnough) {
  Machine machine(Preset::quality);
  machine.cost[Preset::quality] = 2000;
  machine.cost[Preset::balanced] = 1000;
  machine.run(8);
  EXPECT_EQ(machine.ladder.preset(), Preset::realtime);
}

TEST(Ladder, LateForAnotherReasonChangesNothing) {
  Machine machine(Preset::quality);
  machine.cost[Preset::quality] = 20;
  machine.run(5);
  EXPECT_FALSE(machine.ladder.late(interval, machine.now));
  machine.cost[Preset::quality] = 36;  // not too much, but with what else there is
  machine.run(5);
  EXPECT_TRUE(machine.ladder.late(interval, machine.now));
}

TEST(Ladder, WhatCannotBeHadIsNotTriedAgain) {
  Machine machine(Preset::quality);
  while (!machine.ladder.computed(100 * ms, interval, machine.now)) machine.now += 100 * ms;
  EXPECT_EQ(machine.ladder.preset(), Preset::balanced);
  machine.ladder.refuse();
  EXPECT_EQ(machine.ladder.preset(), Preset::quality);
  machine.run(60);
  EXPECT_EQ(machine.ladder.preset(), Preset::quality);
}

TEST(Ladder, KnowsNothingWithoutARate) {
  Ladder ladder;
  ladder.restart(Preset::quality, Preset::minimal);
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(ladder.computed(second, 0, i * second));
}

}  // namespace
}  // namespace digfusion
