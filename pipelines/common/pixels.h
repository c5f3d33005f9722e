// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What it takes to touch a picture's pixels.
#pragma once

#include <gst/video/video.h>

#include <memory>

#include "pipelines/common/failure.h"

namespace digfusion::pipelines {

struct FreeConverter {
  void operator()(GstVideoConverter* converter) const { gst_video_converter_free(converter); }
};
using ConverterPtr = std::unique_ptr<GstVideoConverter, FreeConverter>;

/// A picture's pixels, for as long as this lives. The buffer must live longer.
class Mapped {
 public:
  /// Throws Failure when the buffer doesn't hold what `info` says.
  Mapped(const GstVideoInfo& info, GstBuffer* buffer, GstMapFlags flags) {
    if (!gst_video_frame_map(&frame_, &info, buffer, flags))
      throw Failure("a picture's pixels can't be reached: its buffer is smaller than its caps say");
  }
  ~Mapped() { gst_video_frame_unmap(&frame_); }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  GstVideoFrame* get() { return &frame_; }

 private:
  GstVideoFrame frame_;
};

}  // namespace digfusion::pipelines
