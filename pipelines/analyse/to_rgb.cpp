// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/analyse/to_rgb.h"

#include "pipelines/analyse/rgb.h"

namespace digfusion::pipelines {

cv::Mat ToRgb::operator()(const Frame& frame) {
  if (!caps_ || !gst_caps_is_equal(caps_.get(), frame.caps())) {
    from_ = frame.info();
    gst_video_info_set_interlaced_format(&to_, GST_VIDEO_FORMAT_RGB, from_.interlace_mode, from_.width,
                                         from_.height);
    to_.fps_n = from_.fps_n;
    to_.fps_d = from_.fps_d;
    converter_.reset(gst_video_converter_new(&from_, &to_, nullptr));
    if (!converter_) throw Failure("a picture can't be converted to RGB");
    caps_.reset(gst_caps_ref(frame.caps()));
  }
  const MiniPtr<GstBuffer> buffer(gst_buffer_new_allocate(nullptr, to_.size, nullptr));
  Mapped source(from_, frame.buffer(), GST_MAP_READ), picture(to_, buffer.get(), GST_MAP_READWRITE);
  gst_video_converter_frame(converter_.get(), source.get(), picture.get());
  return as_rgb(*picture.get()).clone();
}

}  // namespace digfusion::pipelines
