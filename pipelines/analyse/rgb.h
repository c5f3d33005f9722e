// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one pixel format inside the analytics graph: RGB, which motioncells asks for and OpenCV understands.
#pragma once

#include <gst/video/video.h>

#include <opencv2/core.hpp>

namespace digfusion::pipelines {

inline constexpr const char* rgb_caps = "video/x-raw, format=(string)RGB";

/// A mapped RGB frame as OpenCV sees it; the pixels are shared.
inline cv::Mat as_rgb(GstVideoFrame& frame) {
  return {GST_VIDEO_FRAME_HEIGHT(&frame), GST_VIDEO_FRAME_WIDTH(&frame), CV_8UC3,
          GST_VIDEO_FRAME_PLANE_DATA(&frame, 0),
          static_cast<std::size_t>(GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0))};
}

/// Pads `sink` and `src` with rgb_caps.
inline void add_rgb_templates(GstElementClass* element_class) {
  GstCaps* caps = gst_caps_from_string(rgb_caps);
  gst_element_class_add_pad_template(element_class,
                                     gst_pad_template_new("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps));
  gst_element_class_add_pad_template(element_class,
                                     gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  gst_caps_unref(caps);
}

}  // namespace digfusion::pipelines
