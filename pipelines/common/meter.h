// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How many pictures come, how often, and when the last one came.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>

namespace digfusion::pipelines {

/// Thread-safe; its lock is a leaf.
class Meter {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;
  static constexpr std::chrono::milliseconds window{2000};

  void count(Time now = Clock::now());
  /// Waits for the first picture anew: silence counts from now on.
  void restart(Time now = Clock::now());

  std::uint64_t total() const;                 ///< pictures since the start
  std::uint64_t since_restart() const;         ///< pictures since restart()
  double rate(Time now = Clock::now()) const;  ///< pictures a second over the last two seconds
  std::chrono::milliseconds silent(Time now = Clock::now()) const;  ///< since the last picture, or restart()

 private:
  mutable std::mutex mutex_;
  std::uint64_t total_ = 0, since_restart_ = 0;
  Time last_ = Clock::now();
  std::deque<Time> recent_;  ///< of the window
};

}  // namespace digfusion::pipelines
