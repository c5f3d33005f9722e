// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/layout.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "pipelines/common/pixels.h"

namespace digfusion::pipelines {
namespace {

constexpr ViewInfo views[] = {
    {View::fused, "fused", "f", "the fused picture"},
    {View::visible, "visible", "v", "the visible camera"},
    {View::infrared, "infrared", "i", "the infrared camera"},
    {View::side_by_side, "side-by-side", "s", "visible, infrared and fused, side by side"},
};

/// Width over height of what the picture shows, whatever the shape of its pixels.
double shape_of(const GstVideoInfo& info) {
  return double(info.width) * std::max(info.par_n, 1) / (double(info.height) * std::max(info.par_d, 1));
}

}  // namespace

std::span<const ViewInfo> view_table() { return views; }

const ViewInfo& info_of(View view) {
  return *std::find_if(std::begin(views), std::end(views),
                       [view](const ViewInfo& i) { return i.value == view; });
}

std::optional<View> find_view(std::string_view nick) {
  for (const ViewInfo& view : views)
    if (nick == view.nick) return view.value;
  return std::nullopt;
}

/// One picture's part of the whole.
struct Layout::Place {
  double shape = 0;  ///< width over height; 0: no picture was ever there
  int x = 0, width = 0;
  GstVideoInfo in, out;  ///< that the converter was made for
  ConverterPtr converter;

  void draw(const GstVideoInfo& info, GstBuffer* buffer, const GstVideoFrame& whole);
};

Layout::Layout(const Bounds& bounds) : bounds_(bounds) {
  gst_video_info_set_format(&first_, GST_VIDEO_FORMAT_BGRA, 640, 480);
}
Layout::~Layout() = default;

void Layout::Place::draw(const GstVideoInfo& info, GstBuffer* buffer, const GstVideoFrame& whole) {
  // The place as a picture of its own: a converter told to draw at an offset writes the rest of the lines
  // too.
  GstVideoFrame place = whole;
  place.info.width = width;
  place.data[0] = static_cast<guint8*>(whole.data[0]) + x * GST_VIDEO_FRAME_COMP_PSTRIDE(&whole, 0);

  // A converter changes neither rate nor field order, and refuses where they differ.
  GstVideoInfo given = info;
  given.fps_n = place.info.fps_n;
  given.fps_d = place.info.fps_d;
  given.interlace_mode = place.info.interlace_mode;
  if (!converter || !gst_video_info_is_equal(&in, &given) || !gst_video_info_is_equal(&out, &place.info)) {
    in = given;
    out = place.info;
    converter.reset(gst_video_converter_new(&in, &out, nullptr));
    if (!converter)
      throw Failure(std::string("GStreamer can't convert ") + info.finfo->name + " for the window");
  }
  Mapped picture(given, buffer, GST_MAP_READ);
  gst_video_converter_frame(converter.get(), picture.get(), &place);
}

Frame Layout::arrange(std::span<const Frame> pictures) {
  const auto first = std::find_if(pictures.begin(), pictures.end(), [](const Frame& f) { return bool(f); });
  if (first != pictures.end()) first_ = first->info();
  places_.resize(pictures.size());

  int height = std::max(first_.height, bounds_.min_height);
  width_ = place(pictures, height);
  if (width_ > bounds_.max_width) {
    height = std::max(1, int(double(height) * bounds_.max_width / width_));
    width_ = place(pictures, height);
  }

  GstVideoInfo info;
  gst_video_info_set_format(&info, GST_VIDEO_FORMAT_BGRA, width_, height);
  info.fps_n = first_.fps_n;
  info.fps_d = first_.fps_d;
  MiniPtr<GstBuffer> buffer(gst_buffer_new_allocate(nullptr, info.size, nullptr));
  {
    Mapped whole(info, buffer.get(), GST_MAP_WRITE);
    auto* pixels = static_cast<std::uint32_t*>(GST_VIDEO_FRAME_PLANE_DATA(whole.get(), 0));
    const std::size_t count = info.size / sizeof *pixels;
    std::fill_n(pixels, count, 0);
    for (std::size_t i = 0; i < pictures.size(); ++i)
      if (pictures[i]) places_[i].draw(pictures[i].info(), pictures[i].buffer(), *whole.get());
    // Here, not by the converters: from BGRx they take the byte that means nothing for alpha.
    const std::uint32_t opaque = GUINT32_FROM_BE(0x000000ff);  // B, G, R, A
    for (std::size_t i = 0; i < count; ++i) pixels[i] |= opaque;
  }
  if (first != pictures.end()) {
    GST_BUFFER_PTS(buffer.get()) = first->time();
    GST_BUFFER_DURATION(buffer.get()) = GST_BUFFER_DURATION(first->buffer());
  }
  const MiniPtr<GstCaps> caps(gst_video_info_to_caps(&info));
  return Frame(buffer.get(), caps.get());
}

double Layout::middle(std::size_t index) const {
  return (places_.at(index).x + places_.at(index).width / 2.0) / width_;
}

int Layout::place(std::span<const Frame> pictures, int height) {
  int x = 0;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    Place& place = places_[i];
    if (pictures[i]) place.shape = shape_of(pictures[i].info());
    place.x = x;
    place.width = std::max(1, int(std::lround((place.shape > 0 ? place.shape : shape_of(first_)) * height)));
    x += place.width;
  }
  return x;
}

}  // namespace digfusion::pipelines
