// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The pipeline that writes segments, for as long as pictures keep their size and format:
//     Feed fused    ! encoder ─┐
//     Feed visible  ! encoder ─┼ splitmuxsink
//     Feed infrared ! encoder ─┘
//
// What a kill costs: splitmuxsink hands pictures on when the next key frame has come (key_frame_interval),
// mp4mux writes a fragment when it is longer than fragment_duration, and filesink writes at once.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pipelines/common/frame.h"
#include "pipelines/record/encoder.h"
#include "pipelines/record/segment_name.h"

namespace digfusion::pipelines {

class Recording {
 public:
  struct Settings {
    Encoder encoder;
    Container container = Container::mp4;
    std::chrono::seconds segment_duration{0};  ///< 0: no limit
    std::uint64_t segment_size = 0;            ///< bytes; 0: no limit
    std::vector<std::string> titles;           ///< of the tracks, the fused one first
  };
  /// All on streaming threads, which must not destroy this. Called until the destructor has returned.
  struct Callbacks {
    /// The path of the next segment, whose first picture was pushed with this time. It may be there already.
    std::function<std::filesystem::path(GstClockTime first)> next_file;
    std::function<void(const std::filesystem::path& path)> on_opened;
    std::function<void(const std::filesystem::path& path, GstClockTime duration)> on_closed;
    std::function<void(const std::string& problem)> on_failed;
    std::function<void()> on_finished;  ///< everything that was pushed is written
  };

  static constexpr std::chrono::milliseconds fragment_duration{100};
  /// Pictures that may wait for the encoder. Some hold a few back, and tracks wait for each other.
  static constexpr unsigned depth = 8;

  /// Throws Failure.
  Recording(Settings settings, Callbacks callbacks);
  /// At once; finish() first for a file that is complete. Not on a streaming thread of this.
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  /// Whether push() won't wait.
  bool has_room() const;
  /// One picture for each track, as of the same time: that of the first. Times must rise. One thread at a
  /// time. Waits while there is no room. False once nothing is taken any more.
  bool push(std::span<const Frame> pictures);
  void split();   ///< a new segment with the next key frame; any thread
  void finish();  ///< any thread: no picture after this; then on_finished (perhaps at once) or on_failed
  /// Ends a push() that waits, now and later. Any thread but the streaming threads of this.
  void abort();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace digfusion::pipelines
