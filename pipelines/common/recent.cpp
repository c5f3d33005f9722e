// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/recent.h"

#include <algorithm>

namespace digfusion::pipelines {
namespace {

GstClockTime distance(GstClockTime a, GstClockTime b) { return std::max(a, b) - std::min(a, b); }

}  // namespace

void RecentFrames::push(Frame frame) {
  Frame oldest;  // freed without the lock
  const std::lock_guard lock(mutex_);
  if (frames_.size() >= capacity_) {
    oldest = std::move(frames_.front());
    frames_.pop_front();
  }
  frames_.push_back(std::move(frame));
}

void RecentFrames::clear() {
  const std::lock_guard lock(mutex_);
  frames_.clear();
}

Frame RecentFrames::nearest(GstClockTime time, GstClockTime reach) const {
  const std::lock_guard lock(mutex_);
  const auto best = std::min_element(frames_.begin(), frames_.end(), [time](const Frame& a, const Frame& b) {
    const GstClockTime to_a = distance(a.time(), time), to_b = distance(b.time(), time);
    return to_a != to_b ? to_a < to_b : a.time() < b.time();
  });
  return best != frames_.end() && distance(best->time(), time) <= reach ? *best : Frame();
}

Frame RecentFrames::latest() const {
  const std::lock_guard lock(mutex_);
  return frames_.empty() ? Frame() : frames_.back();
}

}  // namespace digfusion::pipelines
