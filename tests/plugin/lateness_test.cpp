// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is promised downstream and what is dropped, on simulated time.
#include "plugin/lateness.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "plugin/computetime.h"

namespace digfusion {
namespace {

constexpr std::int64_t ms = 1'000'000;

TEST(ComputeTime, PromisesTheMeasured95thPercentileAndAFifthMore) {
  ComputeTime time;
  for (int i = 0; i < 7; ++i) EXPECT_FALSE(time.add(40 * ms));
  EXPECT_EQ(time.promised(), 0);
  EXPECT_TRUE(time.add(40 * ms));
  EXPECT_EQ(time.promised(), 50 * ms);  // 48, in steps of 5
}

TEST(ComputeTime, KeepsItsPromiseWhileTimesWander) {
  ComputeTime time;
  for (int i = 0; i < 64; ++i) time.add(40 * ms);
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(time.add((30 + i % 19) * ms)) << i;
  EXPECT_EQ(time.promised(), 50 * ms);
}

TEST(ComputeTime, AFewOutliersChangeNothing) {
  ComputeTime time;
  for (int i = 0; i < 1000; ++i) time.add((i % 25 == 0 ? 400 : 40) * ms);
  time.restart();
  for (int i = 1; i < 1000; ++i) time.add((i % 25 == 0 ? 400 : 40) * ms);
  EXPECT_EQ(time.promised(), 50 * ms);
}

TEST(ComputeTime, RisesSoonAndFallsWhenHalfWouldDo) {
  ComputeTime time;
  for (int i = 0; i < 64; ++i) time.add(40 * ms);
  int until_raised = 1;
  while (!time.add(100 * ms)) ++until_raised;
  EXPECT_LE(until_raised, 5);
  EXPECT_EQ(time.promised(), 120 * ms);
  int until_lowered = 1;
  while (!time.add(20 * ms)) ++until_lowered;
  EXPECT_GT(until_lowered, 32);
  EXPECT_EQ(time.promised(), 25 * ms);
}

/// Pictures that come every 40 ms, `transport` late, into a queue without bounds, and take `compute` each.
struct Outcome {
  int sent = 0, dropped = 0;
  std::int64_t longest_delay = 0, last_delay = 0;
};
Outcome run(std::int64_t compute, std::int64_t transport, int count, std::int64_t start = 0,
            std::int64_t transport_later = -1) {
  constexpr std::int64_t interval = 40 * ms;
  Lateness lateness;
  Outcome result;
  std::int64_t now = start;
  for (int n = 0; n < count; ++n) {
    const bool later = transport_later >= 0 && n >= count / 2;
    const std::int64_t due = n * interval;
    now = std::max(now, due + (later ? transport_later : transport));
    if (lateness.queues_up(now - due, interval, interval, now)) {
      ++result.dropped;
      continue;
    }
    now += compute;
    lateness.sent(now);
    ++result.sent;
    result.last_delay = now - due;
    if (n > count / 2) result.longest_delay = std::max(result.longest_delay, result.last_delay);
  }
  return result;
}

TEST(Lateness, DropsNothingWhileTheMachineKeepsUp) {
  for (const std::int64_t transport : {0 * ms, 300 * ms})
    EXPECT_LE(run(39 * ms, transport, 2000).dropped, transport > 0 ? 14 : 0) << transport;
}

TEST(Lateness, AtTwiceTheLoadEverySecondIsDroppedAndTheDelayStaysBounded) {
  const Outcome overloaded = run(80 * ms, 0, 5000);
  EXPECT_NEAR(overloaded.sent, 2500, 10);
  EXPECT_LE(overloaded.longest_delay, 40 * ms + 100 * ms + 40 * ms + 80 * ms);
}

TEST(Lateness, AMethodOfASecondAPictureIsBoundedToo) {
  const Outcome overloaded = run(1000 * ms, 0, 5000);
  EXPECT_NEAR(overloaded.sent, 200, 5);
  EXPECT_LE(overloaded.longest_delay, 40 * ms + 100 * ms + 40 * ms + 1000 * ms);
}

TEST(Lateness, WhatQueuedUpWhileTheModelLoadedIsPassedOver) {
  const Outcome late_start = run(80 * ms, 0, 1000, 5000 * ms);
  EXPECT_LE(late_start.longest_delay, 260 * ms);
}

TEST(Lateness, AStreamThatIsAlwaysLateLosesHalfASecondAtMost) {
  const Outcome always_late = run(10 * ms, 700 * ms, 1000);
  EXPECT_LE(always_late.dropped, 14);
  const Outcome later = run(10 * ms, 0, 1000, 0, 700 * ms);
  EXPECT_LE(later.dropped, 14);
  EXPECT_NEAR(static_cast<double>(later.last_delay), 710e6, 1e6);
}

TEST(Lateness, DownstreamsWordCountsUntilItIsInTimeAgain) {
  Lateness lateness;
  EXPECT_FALSE(lateness.too_old(-5));
  lateness.told(1000 * ms, 100 * ms, 40 * ms);
  EXPECT_TRUE(lateness.too_old(1239 * ms));
  EXPECT_FALSE(lateness.too_old(1240 * ms));
  lateness.told(1240 * ms, 10'000 * ms, 40 * ms);
  EXPECT_FALSE(lateness.too_old(2281 * ms));  // a second at a time
  lateness.told(2281 * ms, -5 * ms, 40 * ms);
  EXPECT_FALSE(lateness.too_old(2277 * ms));
}

}  // namespace
}  // namespace digfusion
