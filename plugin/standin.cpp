// SPDX-License-Identifier: LGPL-2.1-or-later
#include <gst/gst.h>

// GStreamer 1.22 has forgotten to say that this header is C, which whoever includes it first has to.
extern "C" {
#include <gst/video/video-blend.h>
}

#include "plugin/standin.h"

#include "plugin/allocation.h"
#include "plugin/videoimage.h"

namespace digfusion {
namespace {

struct ConverterFree {
  void operator()(GstVideoConverter* converter) const { gst_video_converter_free(converter); }
};

bool convert(GstBuffer* from, const GstVideoInfo& from_info, GstBuffer* to, const GstVideoInfo& to_info,
             const GstVideoRectangle& where) {
  GstVideoInfo from_copy = from_info, to_copy = to_info;  // the converter's functions aren't const
  // It refuses what it can't convert between; of one picture neither matters.
  from_copy.fps_n = to_copy.fps_n;
  from_copy.fps_d = to_copy.fps_d;
  from_copy.interlace_mode = to_copy.interlace_mode;
  std::unique_ptr<GstVideoConverter, ConverterFree> converter(gst_video_converter_new(
      &from_copy, &to_copy,
      gst_structure_new("options", GST_VIDEO_CONVERTER_OPT_DEST_X, G_TYPE_INT, where.x,
                        GST_VIDEO_CONVERTER_OPT_DEST_Y, G_TYPE_INT, where.y,
                        GST_VIDEO_CONVERTER_OPT_DEST_WIDTH, G_TYPE_INT, where.w,
                        GST_VIDEO_CONVERTER_OPT_DEST_HEIGHT, G_TYPE_INT, where.h, nullptr)));
  MappedFrame source(from_info, from, GST_MAP_READ), target(to_info, to, GST_MAP_WRITE);
  if (!converter || !source.mapped() || !target.mapped()) return false;
  gst_video_converter_frame(converter.get(), &source.frame(), &target.frame());
  return true;
}

BufferRef new_picture(const GstVideoInfo& info) {
  return BufferRef(gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&info), nullptr));
}

GstVideoRectangle whole(const GstVideoInfo& info) {
  return {0, 0, GST_VIDEO_INFO_WIDTH(&info), GST_VIDEO_INFO_HEIGHT(&info)};
}

GstVideoInfo rgb_of_size(int width, int height) {
  GstVideoInfo info;
  gst_video_info_set_format(&info, GST_VIDEO_FORMAT_BGRx, width, height);
  return info;
}

/// One component of little-endian 16-bit words.
void fade_words(GstVideoFrame& picture, const GstVideoFrame& over, int component, double share) {
  const int stride = GST_VIDEO_FRAME_COMP_PSTRIDE(&picture, component);
  const unsigned mask = ((1u << GST_VIDEO_FRAME_COMP_DEPTH(&picture, component)) - 1)
                        << GST_VIDEO_FORMAT_INFO_SHIFT(picture.info.finfo, component);
  for (int y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT(&picture, component); ++y) {
    auto* to = static_cast<guint8*>(GST_VIDEO_FRAME_COMP_DATA(&picture, component)) +
               static_cast<std::ptrdiff_t>(y) * GST_VIDEO_FRAME_COMP_STRIDE(&picture, component);
    const auto* from = static_cast<const guint8*>(GST_VIDEO_FRAME_COMP_DATA(&over, component)) +
                       static_cast<std::ptrdiff_t>(y) * GST_VIDEO_FRAME_COMP_STRIDE(&over, component);
    for (int x = 0; x < GST_VIDEO_FRAME_COMP_WIDTH(&picture, component); ++x, to += stride, from += stride) {
      const double mixed = GST_READ_UINT16_LE(to) * (1 - share) + GST_READ_UINT16_LE(from) * share;
      GST_WRITE_UINT16_LE(to, static_cast<guint16>(static_cast<unsigned>(mixed + 0.5) & mask));
    }
  }
}

}  // namespace

BufferRef black_picture(const GstVideoInfo& info) {
  const GstVideoInfo rgb = rgb_of_size(16, 16);
  BufferRef from = new_picture(rgb), to = new_picture(info);
  if (!from || !to) return nullptr;
  gst_buffer_memset(from.get(), 0, 0, GST_VIDEO_INFO_SIZE(&rgb));
  return convert(from.get(), rgb, to.get(), info, whole(info)) ? std::move(to) : nullptr;
}

BufferRef converted(GstBuffer* from, const GstVideoInfo& from_info, const GstVideoInfo& to_info) {
  if (GST_VIDEO_INFO_IS_GRAY(&from_info) && GST_VIDEO_INFO_IS_YUV(&to_info)) {
    // Straight from grey to YUV the converter copies luma, whatever the range.
    const GstVideoInfo rgb = rgb_of_size(GST_VIDEO_INFO_WIDTH(&from_info), GST_VIDEO_INFO_HEIGHT(&from_info));
    const BufferRef between = converted(from, from_info, rgb);
    return between ? converted(between.get(), rgb, to_info) : nullptr;
  }
  BufferRef to = new_picture(to_info);
  if (!to) return nullptr;
  const GstVideoRectangle picture = whole(from_info), frame = whole(to_info);
  GstVideoRectangle where;
  gst_video_center_rect(&picture, &frame, &where, TRUE);
  if (!convert(from, from_info, to.get(), to_info, where)) return nullptr;
  gst_buffer_copy_into(to.get(), from, GST_BUFFER_COPY_TIMESTAMPS, 0, static_cast<gsize>(-1));
  return to;
}

BufferRef beside_black(GstBuffer* from, const GstVideoInfo& from_info, const GstVideoInfo& to_info,
                       bool right) {
  BufferRef to = new_picture(to_info);
  if (!to) return nullptr;
  GstVideoRectangle where = whole(from_info);
  if (right) where.x = GST_VIDEO_INFO_WIDTH(&to_info) - where.w;
  return convert(from, from_info, to.get(), to_info, where) ? std::move(to) : nullptr;
}

bool fade(GstBuffer* picture, GstBuffer* over, const GstVideoInfo& info, double share) {
  MappedFrame below(info, picture, GST_MAP_READWRITE), above(info, over, GST_MAP_READ);
  if (!below.mapped() || !above.mapped()) return false;
  if (GST_VIDEO_INFO_COMP_DEPTH(&info, 0) <= 8)
    return gst_video_blend(&below.frame(), &above.frame(), 0, 0, static_cast<gfloat>(share));
  for (int c = 0; c < static_cast<int>(GST_VIDEO_INFO_N_COMPONENTS(&info)); ++c)
    fade_words(below.frame(), above.frame(), c, share);  // gst_video_blend() knows 8 bits alone
  return true;
}

}  // namespace digfusion
