// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One camera: a pipeline of its own, watched, and made anew when it fails or falls silent.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>

#include "pipelines/common/failure.h"
#include "pipelines/common/frame.h"
#include "pipelines/common/options.h"
#include "pipelines/common/program.h"

namespace digfusion::pipelines {

enum class CameraState {
  connecting,  ///< asked, no picture yet
  playing,     ///< pictures come
  waiting,     ///< gave up; tries again after a while
  ended,       ///< the file is over
  failed       ///< trying again is of no use: `problem` says why
};

struct CameraStatus {
  CameraState state = CameraState::connecting;
  std::string
      problem;  ///< the last one, in words for the operator ("can't be reached"); empty while all is well
  std::uint64_t frames = 0;               ///< since the start
  std::uint64_t reconnects = 0;           ///< times that it came back
  int width = 0, height = 0;              ///< of the last picture; 0 before the first
  double rate = 0;                        ///< pictures a second over the last two seconds
  std::chrono::milliseconds silent{0};    ///< since the last picture, or since asking for the first
  std::chrono::milliseconds next_try{0};  ///< waiting: until then
};

/// A time of CameraStatus for the operator: "7 s", rounded up.
std::string in_seconds(std::chrono::milliseconds time);

/// How long to wait before the next try: 1, 2, 4, 8, 16, then 30 s, each shortened by up to a quarter at
/// random so that a hundred viewers of a camera that comes back don't come at once; ten seconds of pictures
/// begin anew at 1 s.
class BackOff {
 public:
  explicit BackOff(unsigned seed);
  std::chrono::milliseconds next();
  void reset();

 private:
  std::mt19937 random_;
  unsigned step_ = 0;  ///< tries since reset()
};

/// Supervises one camera. Its state machine runs on the program's main thread; only `on_frame` is called on
/// streaming threads.
///
/// What is tried again: everything that may heal by itself (unreachable, refused, silent for `timeout`, a
/// stream that ends although it is live), and once pictures have come, everything. What isn't, at the first
/// try: wrong credentials (repeating them locks accounts), nothing of that name, a missing codec. A file
/// isn't tried again at all. Neither starting nor stopping a pipeline blocks the main thread: each has a
/// thread of its own, since a hanging connection may take seconds.
///
/// Says on standard error when pictures come for the first time, when they cease and when they are back; a
/// problem that stays the same is said once in ten minutes.
class Camera {
 public:
  struct Callbacks {
    std::function<void(Frame)> on_frame;  ///< streaming thread; may block where the address isn't live
    std::function<void(const CameraStatus&)> on_change;  ///< main thread: the state has changed
  };

  /// `role`: "visible", "infrared". `paced`: a file is played at its own rate, as a camera would.
  Camera(Program& program, std::string role, Address address, const SourceOptions& options, bool paced,
         Callbacks callbacks);
  /// Stops, and waits for its threads, but not longer than some seconds: one that hangs in a connection holds
  /// what it needs and ends by itself.
  ~Camera();
  Camera(const Camera&) = delete;
  Camera& operator=(const Camera&) = delete;

  /// `clock`, `base_time`: those of the fusion, so that running times agree.
  void start(GstClock* clock, GstClockTime base_time);
  /// No picture comes any more when it returns. An `on_frame` that blocks must have been freed before.
  void stop();
  CameraStatus status() const;  ///< any thread
  const std::string& role() const;
  const Address& address() const;
  /// For messages: "the infrared camera rtsp://host/2", without the password.
  std::string description() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace digfusion::pipelines
