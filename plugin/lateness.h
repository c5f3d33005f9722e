// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which visible pictures come too late to be worth computing. Pure logic on times (nanoseconds); no GStreamer
// in it.
#pragma once

#include <cstdint>

namespace digfusion {

/// A picture is late when downstream has said that it comes too late (a QoS event), or when in a live
/// pipeline it is taken up so long after it was due that it would come out clearly later than promised: then
/// the pictures queue up. A stream that is always late, because its source promises too much, isn't one that
/// queues up: nothing is dropped for longer than half a second on end.
class Lateness {
 public:
  /// Downstream got the picture of running time `time` too late by `difference` (negative: in time).
  void told(std::int64_t time, std::int64_t difference, std::int64_t interval);
  /// Whether downstream has no use for a picture of that running time.
  bool too_old(std::int64_t time) const { return time < earliest_; }

  /// Whether a picture taken up `late` after its time waits in a growing queue. `allowed`: what was promised;
  /// `interval`: of the stream; `now`: of any clock that doesn't jump.
  bool queues_up(std::int64_t late, std::int64_t allowed, std::int64_t interval, std::int64_t now);
  /// A picture was sent at `now`.
  void sent(std::int64_t now) { last_sent_ = now; }
  void restart() { *this = {}; }

 private:
  std::int64_t earliest_ = INT64_MIN;
  std::int64_t usual_ = 0;       ///< how late pictures are that don't queue up
  std::int64_t last_sent_ = -1;  ///< -1: none yet
};

}  // namespace digfusion
