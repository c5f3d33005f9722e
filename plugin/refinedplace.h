// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the core's registration-refine finds, for the bus and for `stats`.
#pragma once

#include <gst/gst.h>

#include <mutex>

#include "core/interface/interface.h"

namespace digfusion {

class RefinedPlace {
 public:
  explicit RefinedPlace(GstElement* element) : element_(element) {}

  void restart();
  /// Of each picture that was fused. When the camera has moved beyond registration-limit an element message
  /// "digfusion-camera-moved" with x, y (visible pixels), degrees and confidence (doubles) is posted: where
  /// the infrared picture belongs. Streaming thread.
  void update(const FrameReport& report);
  /// Adds refined-x, refined-y, refined-degrees and refinement-confidence where they are known. Any thread.
  void tell(GstStructure* stats) const;

 private:
  GstElement* element_;
  mutable std::mutex mutex_;  ///< a leaf; guards last_
  FrameReport last_;
};

}  // namespace digfusion
