// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/videoimage.h"

#include <algorithm>

namespace digfusion {
namespace {

Matrix matrix_of(const GstVideoInfo& info) {
  if (GST_VIDEO_INFO_IS_RGB(&info)) return Matrix::rgb;
  switch (info.colorimetry.matrix) {
    case GST_VIDEO_COLOR_MATRIX_BT709:
      return Matrix::bt709;
    case GST_VIDEO_COLOR_MATRIX_BT2020:
      return Matrix::bt2020;
    case GST_VIDEO_COLOR_MATRIX_SMPTE240M:
      return Matrix::smpte240m;
    case GST_VIDEO_COLOR_MATRIX_FCC:
      return Matrix::fcc;
    default:
      return Matrix::bt601;
  }
}

Range range_of(const GstVideoInfo& info) {
  switch (info.colorimetry.range) {
    case GST_VIDEO_COLOR_RANGE_0_255:
      return Range::full;
    case GST_VIDEO_COLOR_RANGE_16_235:
      return Range::limited;
    default:
      return GST_VIDEO_INFO_IS_YUV(&info) ? Range::limited : Range::full;
  }
}

}  // namespace

MappedFrame::MappedFrame(const GstVideoInfo& info, GstBuffer* buffer, GstMapFlags flags)
    // Without a reference of its own, a writable output buffer stays writable.
    : mapped_(
          gst_video_frame_map(&frame_, const_cast<GstVideoInfo*>(&info), buffer,
                              static_cast<GstMapFlags>(int{flags} | int{GST_VIDEO_FRAME_MAP_FLAG_NO_REF}))) {}

MappedFrame::~MappedFrame() {
  if (mapped_) gst_video_frame_unmap(&frame_);
}

Image as_image(const GstVideoFrame& frame) {
  const GstVideoInfo& info = frame.info;
  const GstVideoFormatInfo* format = info.finfo;
  Image image;
  image.width = GST_VIDEO_INFO_WIDTH(&info);
  image.height = GST_VIDEO_INFO_HEIGHT(&info);
  image.is_rgb = GST_VIDEO_INFO_IS_RGB(&info);
  image.matrix = matrix_of(info);
  image.range = range_of(info);
  image.big_endian = GST_VIDEO_INFO_COMP_DEPTH(&info, 0) > 8 && !GST_VIDEO_FORMAT_INFO_IS_LE(format);
  if (info.par_n > 0 && info.par_d > 0) image.pixel_aspect = static_cast<double>(info.par_n) / info.par_d;

  image.planes = static_cast<int>(GST_VIDEO_INFO_N_PLANES(&info));
  for (int p = 0; p < image.planes; ++p) {
    Plane& plane = image.plane[p];
    plane.data = static_cast<std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, p));
    plane.stride = GST_VIDEO_FRAME_PLANE_STRIDE(&frame, p);
    plane.row_bytes = 0;
    plane.rows = 0;
  }
  image.components = static_cast<int>(GST_VIDEO_INFO_N_COMPONENTS(&info));
  for (int c = 0; c < image.components; ++c) {
    const Component component = {
        .plane = static_cast<int>(format->plane[c]),
        .offset = static_cast<int>(format->poffset[c]),
        .pixel_stride = format->pixel_stride[c],
        .depth = static_cast<int>(format->depth[c]),
        .shift = static_cast<int>(format->shift[c]),
        .w_sub = static_cast<int>(format->w_sub[c]),
        .h_sub = static_cast<int>(format->h_sub[c]),
    };
    image.component[c] = component;
    // Whole pixels, so that a copy of a row takes the unused byte of xRGB along.
    Plane& plane = image.plane[component.plane];
    const std::size_t row_bytes =
        static_cast<std::size_t>(GST_VIDEO_INFO_COMP_WIDTH(&info, c)) * component.pixel_stride;
    plane.row_bytes = std::max(plane.row_bytes, row_bytes);
    plane.rows = std::max(plane.rows, static_cast<int>(GST_VIDEO_INFO_COMP_HEIGHT(&info, c)));
  }
  return image;
}

}  // namespace digfusion
