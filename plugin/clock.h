// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What timestamps tell of two cameras' clocks. Pure logic on times; no GStreamer in it. Times are
// nanoseconds.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "plugin/recent.h"

namespace digfusion {

/// How much slower than nominal a stream's pictures come. Lost pictures and jitter below half an interval do
/// no harm.
class RateEstimate {
 public:
  /// The time of the next picture, and the interval that its caps promise; 0: none, and nothing is estimated.
  void add(std::int64_t time, double interval);
  void restart() { *this = {}; }
  /// Parts per million, over the last two minutes; nothing in the first ten seconds.
  std::optional<double> ppm() const;

 private:
  struct Bucket {
    double time, residual;  ///< means over a second
  };
  void begin(std::int64_t time, double interval);

  double interval_ = 0;
  std::int64_t first_ = 0, last_ = 0, bucket_start_ = 0;
  double phase_ = 0;  ///< smoothed residual: how far a picture is behind its place on the nominal grid
  double time_sum_ = 0, residual_sum_ = 0;
  int in_bucket_ = 0;
  std::deque<Bucket> buckets_;
};

/// The median of the last differences.
class OffsetEstimate {
 public:
  void add(std::int64_t difference) { recent_.add(difference); }
  void restart() { *this = {}; }
  std::optional<std::int64_t> median() const;

 private:
  RecentValues<255> recent_;
};

}  // namespace digfusion
