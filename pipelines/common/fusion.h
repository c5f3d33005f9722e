// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Two cameras and the element digfusion: what every program is built on.
//
//     Camera visible  ── Feed ─┐
//                               ├─ digfusion ── Tap ── on_fused
//     Camera infrared ── Feed ─┘
//
// or, with --test, digtestsrc in the cameras' place. Cameras and fusion are pipelines of their own with one
// clock and one base time. Live pictures meet before they go to the element (rendezvous.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pipelines/common/camera.h"
#include "pipelines/common/options.h"
#include "pipelines/common/recent.h"

namespace digfusion::pipelines {

/// Whether pictures may be left out so that what is seen is now (watch, live recording), or each is wanted
/// (files).
enum class Hurry { keep_up, keep_all };

struct FusionStatus {
  CameraStatus visible, infrared;
  std::uint64_t fused = 0;     ///< pictures that came out, fused
  std::uint64_t unfused = 0;   ///< came out as the visible picture alone (no infrared there)
  std::uint64_t left_out = 0;  ///< visible pictures that the fusion was too slow for
  double rate = 0;             ///< pictures out a second, over the last two seconds
  double milliseconds = 0;     ///< of computing a picture (the element's `stats`)
  double delay = 0;  ///< milliseconds from a picture's time to its coming out fused, over the last second
  std::string device, model;
};

class Fusion {
 public:
  struct Callbacks {
    /// Streaming thread; blocking holds up the fusion.
    std::function<void(Frame)> on_fused;
    /// Streaming threads: every picture of a source, for those who show them by themselves. May be empty.
    std::function<void(Frame)> on_visible, on_infrared;
    /// Main thread: a camera's state has changed (already told the operator by Program::say).
    std::function<void()> on_change;
    /// Main thread, once: the sources are over and everything has come out, or EndOptions were reached.
    std::function<void()> on_end;
  };

  /// Throws Failure: digfusion isn't installed, … A camera for which trying again is of no use, or an error
  /// of the element, ends the program by Program::fail().
  Fusion(Program& program, const CommonOptions& options, Hurry hurry, Callbacks callbacks);
  ~Fusion();
  Fusion(const Fusion&) = delete;
  Fusion& operator=(const Fusion&) = delete;

  /// Throws Failure: the fusion's library isn't there, …
  void start();
  /// Ends the sources; what is on its way still comes out, then `on_end`. After `patience` it is called
  /// anyway.
  void end(std::chrono::milliseconds patience = std::chrono::seconds(5));
  /// At once. An `on_fused` that blocks must have been freed before.
  void stop();

  /// Whether pictures come in their own time: with Hurry::keep_up, or from a camera. Otherwise files and
  /// --test come as fast as they are fused.
  bool is_live() const;
  FusionStatus status() const;  ///< any thread
  /// The sources' last pictures, by time (recent.h).
  const RecentFrames& visible() const;
  const RecentFrames& infrared() const;
  GstClock* clock() const;         ///< borrowed
  GstClockTime base_time() const;  ///< for further pipelines of the program; from start() on

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Lines for an overlay or a log: cameras, rates, delay, device; "visible  640x480 25.0/s", "infrared lost,
/// next try in 4 s: …".
std::vector<std::string> status_lines(const FusionStatus& status);

}  // namespace digfusion::pipelines
