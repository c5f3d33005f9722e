// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/interface/interface.h"

namespace digfusion {

/// Times of one stage over the last 1,000 frames.
class StageTimes {
 public:
  explicit StageTimes(const char* name) : name_(name) { recent_.reserve(capacity); }

  void add(double milliseconds) {
    if (recent_.size() < capacity)
      recent_.push_back(milliseconds);
    else
      recent_[next_] = milliseconds;
    next_ = (next_ + 1) % capacity;
  }

  const std::string& name() const { return name_; }

  void clear() {
    recent_.clear();
    next_ = 0;
  }

  StageTime summary() const {
    StageTime time{};
    name_.copy(time.name, sizeof time.name - 1);
    if (recent_.empty()) return time;
    std::vector<double> sorted = recent_;
    const std::size_t rank = (sorted.size() * 95 + 99) / 100 - 1;
    std::nth_element(sorted.begin(), sorted.begin() + std::ptrdiff_t(rank), sorted.end());
    time.p95_ms = sorted[rank];
    for (const double ms : recent_) time.mean_ms += ms / double(recent_.size());
    return time;
  }

 private:
  static constexpr std::size_t capacity = 1000;
  std::string name_;
  std::vector<double> recent_;
  std::size_t next_ = 0;
};

/// Milliseconds since it was made or last asked.
class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double ms = std::chrono::duration<double, std::milli>(now - then_).count();
    then_ = now;
    return ms;
  }

 private:
  std::chrono::steady_clock::time_point then_ = std::chrono::steady_clock::now();
};

/// What a part of a frame's fusion took.
struct Lap {
  const char* name;
  double milliseconds;
};

/// The parts of one frame's fusion, in order.
class Laps {
 public:
  void start() {
    laps_.clear();
    watch_.lap();
  }
  /// What went by since start() or the last mark() was `name`; parts of one name are added up.
  void mark(const char* name) {
    const double milliseconds = watch_.lap();
    const auto same = [&](const Lap& lap) { return std::string_view(lap.name) == name; };
    const auto lap = std::find_if(laps_.begin(), laps_.end(), same);
    if (lap == laps_.end())
      laps_.push_back({name, milliseconds});
    else
      lap->milliseconds += milliseconds;
  }
  const std::vector<Lap>& all() const { return laps_; }

 private:
  Stopwatch watch_;
  std::vector<Lap> laps_;
};

}  // namespace digfusion
