// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/record/black.h"

#include <string>

#include "pipelines/common/pixels.h"

namespace digfusion::pipelines {
Frame black_picture(GstCaps* caps, GstClockTime time) {
  const MiniPtr<GstBuffer> nothing(gst_buffer_new());
  const GstVideoInfo info = Frame(nothing.get(), caps).info();
  // What black is in this format GStreamer knows: from a small picture whose bytes are all zero.
  GstVideoInfo zero;
  gst_video_info_set_format(&zero, GST_VIDEO_FORMAT_BGRx, 16, 16);
  zero.fps_n = info.fps_n;
  zero.fps_d = info.fps_d;
  zero.interlace_mode = info.interlace_mode;
  const ConverterPtr converter(gst_video_converter_new(&zero, &info, nullptr));
  if (!converter) throw Failure(std::string("GStreamer can't make a black picture of ") + info.finfo->name);
  const MiniPtr<GstBuffer> from(gst_buffer_new_allocate(nullptr, zero.size, nullptr));
  gst_buffer_memset(from.get(), 0, 0, zero.size);
  const MiniPtr<GstBuffer> to(gst_buffer_new_allocate(nullptr, info.size, nullptr));
  {
    Mapped source(zero, from.get(), GST_MAP_READ), target(info, to.get(), GST_MAP_WRITE);
    gst_video_converter_frame(converter.get(), source.get(), target.get());
  }
  GST_BUFFER_PTS(to.get()) = time;
  return Frame(to.get(), caps);
}

}  // namespace digfusion::pipelines
