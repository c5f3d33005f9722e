// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A live camera in front of the element, with what goes wrong with cameras over months. Its pictures hold the
// time at which they were taken, so that whoever sees a fused one knows what was fused with what.
#pragma once

#include <gst/app/gstappsrc.h>
#include <gst/gst.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

namespace digfusion::test {

struct CameraSettings {
  const char* pad;  ///< of the element: "visible" or "infrared"
  double fps = 30;
  double drift_ppm = 0;                                   ///< pictures come slower by that
  double drops = 0;                                       ///< share of pictures that never arrive
  GstClockTime jitter = 0;                                ///< of the timestamps, either way
  GstClockTime shutter_interval = 0, shutter_length = 0;  ///< a picture is repeated; 0: never
  unsigned seed = 1;
};

class Camera {
 public:
  /// Both stay the caller's. The pipeline's clock and base time must be set when run() is called.
  Camera(GstElement* pipeline, GstElement* fusion, const CameraSettings& settings);
  ~Camera() { stop(); }
  Camera(const Camera&) = delete;
  Camera& operator=(const Camera&) = delete;

  void run();
  void stop();

  /// The cable is loose: nothing comes.
  void unplug(bool unplugged) { unplugged_ = unplugged; }
  /// Another source element in the place of the one that there is, as a program does after an error.
  void reconnect();
  /// Pictures of another size from now on.
  void set_size(int size) { size_ = size; }

 private:
  void connect();
  void set_caps(GstElement* source, int size) const;
  void film();
  GstBuffer* picture(std::uint32_t code, int size) const;

  GstElement *pipeline_, *fusion_;
  const CameraSettings settings_;
  const bool is_visible_;
  std::mt19937 random_;
  std::mutex mutex_;              ///< guards source_
  GstElement* source_ = nullptr;  ///< the pipeline's
  std::atomic<bool> running_{false}, unplugged_{false};
  std::atomic<int> size_{32};
  std::thread thread_;
};

/// What a picture of the element tells, with the fake core: when its two halves were taken (milliseconds of
/// the cameras' clock), or nothing for a half that no camera took.
struct Codes {
  std::optional<std::uint32_t> visible, infrared;
};
Codes codes_of(GstSample* sample);

}  // namespace digfusion::test
