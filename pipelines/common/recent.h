// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The last pictures of a stream: a fused picture comes out a while after its sources went in, and whoever
// shows or records them side by side wants those it was made of.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>

#include "pipelines/common/frame.h"

namespace digfusion::pipelines {

/// Thread-safe; its lock is a leaf.
class RecentFrames {
 public:
  /// Eight cover what can wait between a camera and the fused picture (bridge.h: two in a Feed, two in the
  /// element).
  explicit RecentFrames(std::size_t capacity = 8) : capacity_(capacity) {}
  void push(Frame frame);
  void clear();
  /// The picture nearest in time, of two the earlier; empty if there is none within `reach`.
  Frame nearest(GstClockTime time, GstClockTime reach = 2 * GST_SECOND) const;
  Frame latest() const;

 private:
  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::deque<Frame> frames_;
};

}  // namespace digfusion::pipelines
