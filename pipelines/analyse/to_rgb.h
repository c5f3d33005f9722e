// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Pictures of any format as OpenCV's RGB, outside of a pipeline.
#pragma once

#include <gst/video/video.h>

#include <opencv2/core.hpp>

#include "pipelines/common/frame.h"
#include "pipelines/common/pixels.h"

namespace digfusion::pipelines {

/// Keeps the converter of the last format. Not thread-safe.
class ToRgb {
 public:
  /// A picture of its own, CV_8UC3. Throws Failure: no raw video, or memory that can't be mapped.
  cv::Mat operator()(const Frame& frame);

 private:
  MiniPtr<GstCaps> caps_;
  ConverterPtr converter_;
  GstVideoInfo from_{}, to_{};
};

}  // namespace digfusion::pipelines
