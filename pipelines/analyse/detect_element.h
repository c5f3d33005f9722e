// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digdetect`, the element that runs a Detector and says what it found as regions on the buffers (regions.h).
// It lives in the program, not in a plugin: register_elements() makes it known to GStreamer under its name.
// A detector of your own needs nothing here; an element of your own can begin as a copy of this one.
#pragma once

#include <gst/video/gstvideofilter.h>

#include <memory>

#include "pipelines/analyse/detector.h"

namespace digfusion::pipelines {

enum class Pace {
  every_frame,  ///< in the streaming thread: each picture waits for its own detections (files)
  newest_frame  ///< in a thread of its own: no picture waits; between detections the last ones hold, with
                ///< their age (cameras)
};

/// An element `digdetect`, floating. A Failure of the detector is an error of the element.
GstElement* make_detect_element(std::unique_ptr<Detector> detector, Pace pace);

}  // namespace digfusion::pipelines

G_BEGIN_DECLS
#define GST_TYPE_DIG_DETECT (gst_dig_detect_get_type())
G_DECLARE_FINAL_TYPE(GstDigDetect, gst_dig_detect, GST, DIG_DETECT, GstVideoFilter)
GST_ELEMENT_REGISTER_DECLARE(digdetect)
G_END_DECLS
