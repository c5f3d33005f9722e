// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A device whose streams really are late: what is started there is kept, and done when somebody waits for it,
// or in an order that a test chooses among those that events allow. The kernels are the CPU's, one by one;
// whatever they read, they read when they are done.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "core/device/backend.h"

namespace digfusion {

/// Which of the allowed orders is taken.
struct LateOrder {
  /// Streams, as bits, that do everything as soon as events allow; the others do only what is waited for. The
  /// backend's own is 1, its siblings 2, 4, …
  unsigned eager = 0;
  /// Instead: after each call some things that may be done, by this seed.
  std::optional<unsigned> seed;
};

class LateStreams {
 public:
  explicit LateStreams(LateOrder order) : order_(order), random_(order.seed.value_or(0)) {}

  std::size_t add_stream();
  /// Does `work` when its time has come; at once within something that is being done.
  void start(std::size_t stream, std::function<void()> work);
  /// What is started in `stream` from now on comes after the first `count` things of `other`.
  void follow(std::size_t stream, std::size_t other, std::uint64_t count);
  void complete(std::size_t stream, std::uint64_t count);
  /// How much was started in a stream so far, and how much of it is done.
  std::uint64_t started(std::size_t stream) const { return streams_[stream].started; }
  std::uint64_t done(std::size_t stream) const { return streams_[stream].done; }

  // Failures to come, one each
  bool fail_start = false;  ///< of the next frame that is started
  bool fail_wait = false;   ///< of the next wait
  void fail_where_wanted();

 private:
  struct Work {
    std::function<void()> run;
    std::size_t other = 0;  ///< of follow()
    std::uint64_t count = 0;
  };
  struct Stream {
    std::deque<Work> queue;
    std::uint64_t started = 0, done = 0;
  };
  bool may_go_on(const Stream& stream) const;
  void do_next(Stream& stream);
  void do_some();

  LateOrder order_;
  std::mt19937 random_;
  std::deque<Stream> streams_;  // whose addresses stay
  bool is_doing_ = false;
};

/// `streams` tells of, and causes, what a test wants.
std::unique_ptr<Backend> make_late_backend(std::shared_ptr<LateStreams> streams);

}  // namespace digfusion
