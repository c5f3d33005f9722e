// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A mapped GstVideoFrame as the core sees it: borrowed planes and where the samples lie in them.
#pragma once

#include <gst/video/video.h>

#include "core/interface/interface.h"

namespace digfusion {

/// A mapping of a buffer's memory; unmapped when it goes out of scope.
class MappedFrame {
 public:
  /// The caller keeps `buffer` alive. Test with `mapped()`.
  MappedFrame(const GstVideoInfo& info, GstBuffer* buffer, GstMapFlags flags);
  ~MappedFrame();
  MappedFrame(const MappedFrame&) = delete;
  MappedFrame& operator=(const MappedFrame&) = delete;

  bool mapped() const { return mapped_; }
  GstVideoFrame& frame() { return frame_; }

 private:
  GstVideoFrame frame_;
  bool mapped_;
};

/// Borrows the frame's memory: the image is valid while `frame` stays mapped.
Image as_image(const GstVideoFrame& frame);

}  // namespace digfusion
