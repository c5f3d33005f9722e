// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/rendezvous.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace digfusion {
namespace {

using namespace std::chrono_literals;

constexpr auto forever = std::chrono::seconds(120);  // longer than a test may take
constexpr auto soon = std::chrono::seconds(30);      // a busy machine's "at once"

struct Number {
  int value;
  int doubled = 0;
  int times = 0;  // it was worked on
};
using Meeting = Rendezvous<Number>;

/// A meeting whose work doubles numbers, and the sizes of its batches.
class Doubling {
 public:
  explicit Doubling(std::size_t most)
      : place(std::make_shared<Meeting>(most, [this](std::span<Number* const> items) {
          for (Number* item : items) item->doubled = 2 * item->value, ++item->times;
          const std::scoped_lock lock(mutex_);
          sizes_.push_back(items.size());
        })) {}

  std::vector<std::size_t> sizes() const {
    const std::scoped_lock lock(mutex_);
    return sizes_;
  }
  std::size_t items() const {
    const auto all = sizes();
    return std::accumulate(all.begin(), all.end(), std::size_t{0});
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::size_t> sizes_;

 public:
  const std::shared_ptr<Meeting> place;
};

int doubled(Meeting::Member& member, int value, Meeting::Clock::duration patience) {
  Number number{value};
  member.come(number, patience);
  EXPECT_EQ(number.times, 1);
  return number.doubled;
}

/// Members who are awaited, and were in one batch just now. No more than a batch may have.
std::vector<std::unique_ptr<Meeting::Member>> awaited_members(const Doubling& meeting, std::size_t count) {
  std::vector<std::unique_ptr<Meeting::Member>> members;
  for (std::size_t i = 0; i < count; ++i) members.push_back(std::make_unique<Meeting::Member>(meeting.place));
  EXPECT_EQ(doubled(*members.back(), 1, 0s), 2);  // for whom the others wait
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i + 1 < count; ++i)
    threads.emplace_back([&, i] { (void)doubled(*members[i], 1, forever); });
  while (meeting.place->waiting() + 1 < count) std::this_thread::yield();
  (void)doubled(*members.back(), 1, forever);
  return members;
}

class Watch {
 public:
  bool within(Meeting::Clock::duration time) const { return Meeting::Clock::now() - start_ < time; }

 private:
  Meeting::Clock::time_point start_ = Meeting::Clock::now();
};

TEST(Rendezvous, AMemberAloneGoesAtOnce) {
  const Doubling meeting(4);
  Meeting::Member member(meeting.place), never_came(meeting.place);
  const Watch watch;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(doubled(member, i, forever), 2 * i);
  EXPECT_TRUE(watch.within(soon));
  EXPECT_EQ(meeting.sizes(), std::vector<std::size_t>(10, 1));
}

TEST(Rendezvous, AllWhoAreAwaitedGoTogether) {
  constexpr int count = 5, rounds = 50;
  const Doubling meeting(16);
  auto members = awaited_members(meeting, count);
  std::vector<std::jthread> threads;
  for (auto& member : members)
    threads.emplace_back([&] {
      for (int i = 0; i < rounds; ++i) EXPECT_EQ(doubled(*member, i, forever), 2 * i);
    });
  threads.clear();
  std::vector<std::size_t> expected(rounds + 2, count);
  expected[0] = 1;
  EXPECT_EQ(meeting.sizes(), expected);
}

TEST(Rendezvous, NoBatchIsLargerThanItMayBe) {
  constexpr int count = 7, rounds = 100;
  const Doubling meeting(3);
  std::vector<std::jthread> threads;
  for (int t = 0; t < count; ++t)
    threads.emplace_back([&] {
      Meeting::Member member(meeting.place);
      for (int i = 0; i < rounds; ++i) EXPECT_EQ(doubled(member, i, 20ms), 2 * i);
    });
  threads.clear();
  const auto sizes = meeting.sizes();
  EXPECT_LE(*std::max_element(sizes.begin(), sizes.end()), 3u);
  EXPECT_EQ(meeting.items(), std::size_t(count * rounds));
}

TEST(Rendezvous, WhoDoesntComeIsAwaitedOnce) {
  const Doubling meeting(2);
  auto members = awaited_members(meeting, 2);
  const auto start = Meeting::Clock::now();
  EXPECT_EQ(doubled(*members[0], 4, 80ms), 8);  // the other pauses
  EXPECT_GE(Meeting::Clock::now() - start, 80ms);
  const Watch watch;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(doubled(*members[0], 4, forever), 8);
  EXPECT_TRUE(watch.within(soon));
  // It comes back, and they are a pair again.
  std::jthread other([&] { (void)doubled(*members[1], 1, forever); });
  while (meeting.place->waiting() == 0) std::this_thread::yield();
  (void)doubled(*members[0], 1, forever);
  other.join();
  EXPECT_EQ(meeting.sizes().back(), 2u);
}

TEST(Rendezvous, WhoIsOutOfStepIsSeldomAwaited) {
  const Doubling meeting(2);
  auto members = awaited_members(meeting, 2);
  constexpr int rounds = 200;
  int waits = 0;
  for (int i = 0; i < rounds; ++i)
    for (auto& member : members) {
      const Watch watch;
      EXPECT_EQ(doubled(*member, i, 10ms), 2 * i);
      waits += !watch.within(10ms);
    }
  // Eight times for each, and then once in 64; what a busy machine does is taken for a wait as well.
  EXPECT_GE(waits, 16);
  EXPECT_LT(waits, 100);
  // In step again, they are a pair again.
  std::vector<std::jthread> threads;
  const Watch watch;
  const auto pairs = [&] {
    const auto sizes = meeting.sizes();
    return std::count(sizes.begin(), sizes.end(), 2u);
  };
  for (auto& member : members)
    threads.emplace_back([&] {
      while (pairs() < 50 && watch.within(soon)) (void)doubled(*member, 1, forever);
      member.reset();
    });
  threads.clear();
  EXPECT_GE(pairs(), 50);
}

TEST(Rendezvous, WhoLeavesIsNotAwaited) {
  const Doubling meeting(3);
  auto members = awaited_members(meeting, 2);
  const Watch watch;
  std::jthread waiting([&] { EXPECT_EQ(doubled(*members[0], 7, forever), 14); });
  while (meeting.place->waiting() == 0) std::this_thread::yield();
  members[1].reset();
  waiting.join();
  EXPECT_TRUE(watch.within(soon));
}

TEST(Rendezvous, TheLeastPatientDecides) {
  const Doubling meeting(4);
  auto members = awaited_members(meeting, 3);
  const Watch watch;  // the third doesn't come
  std::jthread patient([&] { EXPECT_EQ(doubled(*members[0], 1, forever), 2); });
  while (meeting.place->waiting() == 0) std::this_thread::yield();
  EXPECT_EQ(doubled(*members[1], 1, 10ms), 2);
  patient.join();
  EXPECT_TRUE(watch.within(soon));
}

TEST(Rendezvous, AnErrorReachesEveryMemberOfTheBatchAndNoOther) {
  std::atomic<bool> fails = false;
  const auto place = std::make_shared<Meeting>(3, [&](std::span<Number* const>) {
    if (fails) throw std::runtime_error("no memory for it");
  });
  std::vector<std::unique_ptr<Meeting::Member>> members;
  for (int i = 0; i < 3; ++i) members.push_back(std::make_unique<Meeting::Member>(place));
  Number number{1};
  members[2]->come(number, 0s);  // for whom the others wait
  fails = true;
  std::atomic<int> failures = 0;
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < members.size(); ++i)
    threads.emplace_back([&, i] {
      while (i == 2 && place->waiting() < 2) std::this_thread::yield();
      Number mine{1};
      try {
        members[i]->come(mine, forever);
      } catch (const std::runtime_error& error) {
        failures += std::string(error.what()) == "no memory for it";
      }
    });
  threads.clear();
  EXPECT_EQ(failures, 3);
  fails = false;
  EXPECT_NO_THROW(members[0]->come(number, 0s));
}

TEST(Rendezvous, ABatchFillsWhileAnotherIsWorkedOn) {
  std::atomic<int> working = 0;
  std::atomic<bool> both = false;
  const auto place = std::make_shared<Meeting>(1, [&](std::span<Number* const>) {
    ++working;
    const Watch watch;
    while (!both && watch.within(soon)) {
      if (working == 2) both = true;
      std::this_thread::yield();
    }
  });
  Meeting::Member first(place), second(place);
  std::jthread other([&] {
    Number number{1};
    second.come(number, forever);
  });
  Number number{1};
  first.come(number, forever);
  other.join();
  EXPECT_TRUE(both);
}

TEST(Rendezvous, HoldsWhenMembersComeAndGoAtRandom) {
  const Doubling meeting(3);
  std::atomic<std::size_t> done = 0;
  std::vector<std::jthread> threads;
  for (unsigned t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      unsigned random = t + 1;
      std::unique_ptr<Meeting::Member> member;
      for (int i = 0; i < 200; ++i) {
        random = random * 1664525u + 1013904223u;
        if (!member || random >> 28 == 0) member = std::make_unique<Meeting::Member>(meeting.place);
        if (random >> 29 == 1) std::this_thread::sleep_for(std::chrono::microseconds(random >> 22));
        EXPECT_EQ(doubled(*member, i, std::chrono::microseconds(random >> 23)), 2 * i);
        ++done;
      }
    });
  threads.clear();
  EXPECT_EQ(done, 8u * 200u);
  EXPECT_EQ(meeting.items(), done);
}

}  // namespace
}  // namespace digfusion
