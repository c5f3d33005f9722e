// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where live pictures of two cameras meet on their way to the element digfusion.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>

#include "pipelines/common/frame.h"

namespace digfusion::pipelines {

/// What is seen is to be now, so what the fusion is too slow for is left out; but a picture that waits for
/// its partner, because the other camera's way is longer, isn't. The queues in front of an element can't tell
/// one from the other (and GstAggregator's grow with the latency that it is told), so both happen here:
/// - A visible picture waits until an infrared one of its time or later has come. It waits in vain for
///   `patience` at most, and not at all for a camera that has been silent for so long.
/// - At most `most_in_flight` visible pictures are in the element: one that is fused, one that is next.
///   Behind them the newest `most_ready` are kept.
/// - Of the infrared pictures only those go on that are next to a visible one.
///
/// Thread-safe. Its lock is held while the functions are called, which keeps the order; they must not block.
class Rendezvous {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;
  struct Out {
    std::function<void(const Frame&)> visible, infrared;
    /// Before a visible picture that goes on without an infrared one: nobody is to wait for it again.
    std::function<void(const Frame& visible)> no_infrared;
  };
  static constexpr std::chrono::milliseconds patience{1000};
  static constexpr std::size_t most_in_flight = 2, most_ready = 2;

  explicit Rendezvous(Out out) : out_(std::move(out)) {}
  void visible(Frame frame, Time now = Clock::now());
  void infrared(Frame frame, Time now = Clock::now());
  /// A visible picture has left the element, fused or not.
  void done(Time now = Clock::now());
  /// A few times a second: patience ends although nothing comes.
  void check(Time now = Clock::now());
  /// The infrared stream is over: nothing waits any more.
  void infrared_ended();
  /// Sends all that waits.
  void flush();

  /// Visible pictures that newer ones took the place of.
  std::uint64_t left_out() const;

 private:
  struct Waiting {
    Frame frame;
    Time since;
  };
  bool may_go(const Waiting& waiting, Time now) const;
  void release(Time now);
  void send_ready();
  void send(const Frame& visible);
  void send_infrared(const Frame& visible);

  const Out out_;
  mutable std::mutex mutex_;     ///< outside the locks of what `out_` calls
  std::deque<Waiting> waiting_;  ///< visible, for their partners
  std::deque<Frame> ready_;      ///< visible, for the element
  std::deque<Frame> infrared_;   ///< not sent, by time
  std::size_t in_flight_ = 0;    ///< visible, in the element
  std::uint64_t left_out_ = 0;
  GstClockTime infrared_time_ = 0;  ///< of the last that came, where one has
  GstClockTime infrared_sent_ = 0;  ///< of the last that was sent, where one was
  bool has_infrared_ = false, sent_infrared_ = false, infrared_ended_ = false;
  Time visible_came_;
  std::optional<Time> infrared_came_;  ///< the last one, or the first visible one while there is none
};

}  // namespace digfusion::pipelines
