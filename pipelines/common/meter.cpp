// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/meter.h"

#include <algorithm>

namespace digfusion::pipelines {

void Meter::count(Time now) {
  const std::lock_guard lock(mutex_);
  ++total_;
  ++since_restart_;
  last_ = now;
  recent_.push_back(now);
  while (now - recent_.front() > window) recent_.pop_front();
}

void Meter::restart(Time now) {
  const std::lock_guard lock(mutex_);
  since_restart_ = 0;
  last_ = now;
}

std::uint64_t Meter::total() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

std::uint64_t Meter::since_restart() const {
  const std::lock_guard lock(mutex_);
  return since_restart_;
}

double Meter::rate(Time now) const {
  const std::lock_guard lock(mutex_);
  const auto first =
      std::find_if(recent_.begin(), recent_.end(), [now](Time time) { return now - time <= window; });
  const auto count = recent_.end() - first;
  if (count < 2) return 0;
  // As many intervals as pictures once the stream pauses: the last interval is still growing.
  const double intervals = std::chrono::duration<double>(recent_.back() - *first).count();
  const double until_now = std::chrono::duration<double>(now - *first).count();
  if (until_now <= 0) return 0;
  return std::min(static_cast<double>(count - 1) / intervals, static_cast<double>(count) / until_now);
}

std::chrono::milliseconds Meter::silent(Time now) const {
  const std::lock_guard lock(mutex_);
  return std::chrono::duration_cast<std::chrono::milliseconds>(now - last_);
}

}  // namespace digfusion::pipelines
