// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How long computing takes, as it is promised downstream. Pure logic; no GStreamer in it.
#pragma once

#include <cstdint>

#include "plugin/recent.h"

namespace digfusion {

/// The 95th percentile of the last pictures' times with hysteresis: a promise is raised with a fifth to spare
/// when it is broken, lowered when half of it would do, and kept otherwise, since each change makes the whole
/// pipeline reckon again. Nanoseconds.
class ComputeTime {
 public:
  /// Adds one picture's time. Returns whether the promise has changed.
  bool add(std::int64_t time);
  /// 0 for the first pictures.
  std::int64_t promised() const { return promised_; }
  void restart() { *this = {}; }

 private:
  RecentValues<64> recent_;
  std::int64_t promised_ = 0;
};

}  // namespace digfusion
