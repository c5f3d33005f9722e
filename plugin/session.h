// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The fuser of one element and the thread that loads it. Knows no GStreamer.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "core/interface/interface.h"
#include "plugin/coreloader.h"

namespace digfusion {

/// From READY to PAUSED and back: start(), any number of frames, stop().
///
/// Threads: open(), close(), start() and stop() are for state changes; set_size(), wait_ready(), configure(),
/// fuse(), begin(), finish(), frames_in_flight() and reset() for the streaming thread; interrupt(),
/// load_failure() and statistics() for anyone. Locks, in the order in which they may be nested:
/// `fuser_mutex_` (held while the core is called, and around its log messages), then `mutex_` (held for
/// moments).
class Session {
 public:
  ~Session();

  /// Opens the core. On failure returns false, with the reason in `message`.
  bool open(std::string& message);
  void close();

  /// Starts loading in the background; wait_ready() and load_failure() tell how it went.
  Status start(const Parameters& parameters, LogSink sink, void* user);
  /// Waits for a load under way, which can't be interrupted, and frees the models.
  void stop();

  /// The size of the pictures to come, for the warm-up that follows loading.
  void set_size(int width, int height);
  /// Makes wait_ready() return at once, or lets it wait again.
  void interrupt(bool interrupted);

  enum class Readiness { ready, failed, interrupted };
  /// Waits until the core has been loaded and warmed up, or can't be, or interrupt(true).
  Readiness wait_ready();
  /// Why loading failed, if it has.
  Status load_failure() const;

  Status configure(const Parameters& parameters);
  Status fuse(const Image* sources, std::size_t count, const Image& output);
  /// See StreamFuser's functions of these names.
  int frames_in_flight() const;
  Status begin(const Image* sources, std::size_t count, const Image& output);
  Status finish();
  void reset();
  /// Of the last picture that was fused. Streaming thread.
  FrameReport report() const;

  /// Doesn't wait for a picture being fused: gives the figures before it then. After stop(): the last ones.
  Statistics statistics() const;

 private:
  void load(const Parameters& parameters, LogSink sink, void* user);
  void keep_statistics();
  /// Not for every picture.
  void keep_statistics_at_times();

  enum class Phase { stopped, loading, ready, failed };

  Core core_;
  std::thread loader_;

  mutable std::mutex fuser_mutex_;  ///< serialises calls into fuser_, as the interface asks
  std::unique_ptr<StreamFuser> fuser_;
  std::chrono::steady_clock::time_point kept_at_;  ///< streaming thread only

  mutable std::mutex mutex_;  ///< guards everything below
  std::condition_variable changed_;
  Phase phase_ = Phase::stopped;
  Status load_failure_;
  bool stopping_ = false;
  bool interrupted_ = false;
  int width_ = 0, height_ = 0;
  Statistics statistics_;
};

}  // namespace digfusion
