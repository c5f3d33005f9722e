// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Fused pictures, and those they were made of, into segments that are kept within bounds.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "pipelines/common/frame.h"
#include "pipelines/common/program.h"
#include "pipelines/common/recent.h"
#include "pipelines/record/encoder.h"
#include "pipelines/record/options.h"

namespace digfusion::pipelines {

/// What a recorder does when the encoder or the disk is slower than the pictures come.
enum class Pace {
  leave_out,  ///< pictures are left out before they are encoded, in all tracks alike, and counted
  wait        ///< push() waits: files lose nothing
};

class Recorder {
 public:
  /// Deletes what is too old or in the way first. `on_stopped`: main thread, once: an error has ended the
  /// recording (the disk is full, gone, …), and the last segment is as complete as it gets. `silence`: after
  /// so long without a picture a segment ends (not with Pace::wait), and the next picture begins another.
  /// Throws Failure: not enough space, …
  Recorder(Program& program, const RecordOptions& options, const Encoder& encoder, Pace pace,
           std::function<void(const std::string& why)> on_stopped,
           std::chrono::milliseconds silence = std::chrono::seconds(5));
  /// Main thread; nobody may push any more. At once; finish() first for a last segment that is complete.
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  /// One streaming thread. `taken`: when the picture was taken, as the wall shows it. Where a track's source
  /// is silent it gets a black picture: an old one must not be taken for the present. Pictures of another
  /// size or format than before begin a new segment.
  void push(const Frame& fused, const RecentFrames& visible, const RecentFrames& infrared,
            std::chrono::system_clock::time_point taken);

  /// Main thread, once: completes the last segment, for `patience` at most, then `done` on the main thread.
  /// At once when the recording has stopped.
  void finish(std::function<void()> done, std::chrono::milliseconds patience = std::chrono::seconds(10));

  std::uint64_t left_out() const;  ///< pictures; any thread

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace digfusion::pipelines
