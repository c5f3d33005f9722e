// SPDX-License-Identifier: LGPL-2.1-or-later
//
// --test: a generated scene in the cameras' place.
#pragma once

#include <atomic>
#include <functional>

#include "pipelines/common/bridge.h"
#include "pipelines/common/camera.h"
#include "pipelines/common/main_source.h"
#include "pipelines/common/meter.h"

namespace digfusion::pipelines {

/// digtestsrc and its two views as the two cameras. start() and stop() on the main thread.
class SceneSource {
 public:
  using OnFrame = std::function<void(const Frame&)>;
  /// `live`: as cameras, else as fast as pictures are taken. `on_visible`, `on_infrared`: streaming threads.
  /// `on_end`: main thread, for each of the views. An error ends the program.
  SceneSource(Program& program, const SourceOptions& options, bool live, OnFrame on_visible,
              OnFrame on_infrared, std::function<void(bool is_visible)> on_end);
  ~SceneSource();
  SceneSource(const SceneSource&) = delete;
  SceneSource& operator=(const SceneSource&) = delete;

  void start(GstClock* clock, GstClockTime base_time);
  void stop();

  CameraStatus visible() const { return status(visible_); }
  CameraStatus infrared() const { return status(infrared_); }

 private:
  struct View {
    View(const char* name, OnFrame on_frame);
    Meter meter;
    Tap tap;
  };
  CameraStatus status(const View& view) const;

  Program& program_;
  const SourceOptions options_;
  const std::function<void(bool)> on_end_;
  View visible_, infrared_;
  ObjectPtr<GstElement> pipeline_;
  MainSource watch_;
  std::atomic<bool> ended_{false};
};

}  // namespace digfusion::pipelines
