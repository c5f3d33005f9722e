// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/rendezvous.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace digfusion::pipelines {
namespace {

/// Infrared pictures that are kept for visible ones that are late, and where none come.
constexpr std::size_t most_infrared = 32, infrared_alone = 2;

}  // namespace

void Rendezvous::visible(Frame frame, Time now) {
  const std::lock_guard lock(mutex_);
  visible_came_ = now;
  if (!infrared_came_) infrared_came_ = now;
  waiting_.push_back({std::move(frame), now});
  release(now);
}

void Rendezvous::infrared(Frame frame, Time now) {
  const std::lock_guard lock(mutex_);
  infrared_came_ = now;
  infrared_time_ = frame.time();
  has_infrared_ = true;
  infrared_.push_back(std::move(frame));
  const std::size_t most = now - visible_came_ > patience ? infrared_alone : most_infrared;
  while (infrared_.size() > most) infrared_.pop_front();
  release(now);
}

void Rendezvous::done(Time now) {
  const std::lock_guard lock(mutex_);
  if (in_flight_ > 0) --in_flight_;
  send_ready();
  release(now);
}

void Rendezvous::check(Time now) {
  const std::lock_guard lock(mutex_);
  release(now);
}

void Rendezvous::infrared_ended() {
  const std::lock_guard lock(mutex_);
  infrared_ended_ = true;
  release({});
}

void Rendezvous::flush() {
  const std::lock_guard lock(mutex_);
  for (const Frame& frame : std::exchange(ready_, {})) send(frame);
  for (const Waiting& waiting : std::exchange(waiting_, {})) send(waiting.frame);
}

std::uint64_t Rendezvous::left_out() const {
  const std::lock_guard lock(mutex_);
  return left_out_;
}

bool Rendezvous::may_go(const Waiting& waiting, Time now) const {
  if (infrared_ended_ || (has_infrared_ && infrared_time_ >= waiting.frame.time())) return true;
  return now - waiting.since > patience || now - *infrared_came_ > patience;
}

void Rendezvous::release(Time now) {
  while (!waiting_.empty() && may_go(waiting_.front(), now)) {
    ready_.push_back(std::move(waiting_.front().frame));
    waiting_.pop_front();
    send_ready();
    if (ready_.size() > most_ready) {
      ready_.pop_front();
      ++left_out_;
    }
  }
}

void Rendezvous::send_ready() {
  while (!ready_.empty() && in_flight_ < most_in_flight) {
    send(ready_.front());
    ready_.pop_front();
  }
}

void Rendezvous::send(const Frame& visible) {
  if (!infrared_ended_ || !infrared_.empty()) send_infrared(visible);
  out_.visible(visible);
  ++in_flight_;
}

void Rendezvous::send_infrared(const Frame& visible) {
  if (sent_infrared_ && infrared_sent_ >= visible.time()) return;  // its neighbours have gone before
  const auto after = std::find_if(infrared_.begin(), infrared_.end(),
                                  [&](const Frame& frame) { return frame.time() >= visible.time(); });
  const bool is_there = after != infrared_.end();
  const auto end = is_there ? std::next(after) : after;
  // The one before and the one after: either may be the nearest.
  for (auto frame = end - std::min<std::ptrdiff_t>(end - infrared_.begin(), is_there ? 2 : 1); frame != end;
       ++frame) {
    out_.infrared(*frame);
    infrared_sent_ = frame->time();
    sent_infrared_ = true;
  }
  infrared_.erase(infrared_.begin(), end);
  if (!is_there && !infrared_ended_) out_.no_infrared(visible);
}

}  // namespace digfusion::pipelines
