// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/soak/camera.h"

#include <gst/video/video.h>

#include <cmath>
#include <string>
#include <utility>

namespace digfusion::test {
namespace {

/// In the row that is the other camera's in a fused picture.
constexpr std::uint32_t no_code = 0xFFFFFFFF;

/// Four blocks of one value each, so that a picture of another size holds them, too.
void write_code(std::uint8_t* row, int width, std::uint32_t code) {
  for (int x = 0; x < width; ++x) row[x] = static_cast<std::uint8_t>(code >> (8 * (4 * x / width)));
}

std::optional<std::uint32_t> read_code(const std::uint8_t* row, int width) {
  std::uint32_t code = 0;
  for (int k = 0; k < 4; ++k) code |= static_cast<std::uint32_t>(row[(2 * k + 1) * width / 8]) << (8 * k);
  if (code == no_code || code == 0) return {};  // unfused, or black
  return code;
}

}  // namespace

Camera::Camera(GstElement* pipeline, GstElement* fusion, const CameraSettings& settings)
    : pipeline_(pipeline),
      fusion_(fusion),
      settings_(settings),
      is_visible_(std::string(settings.pad) == "visible"),
      random_(settings.seed) {
  connect();
}

void Camera::connect() {
  GstElement* source = gst_element_factory_make("appsrc", nullptr);
  g_object_set(source, "is-live", TRUE, "format", GST_FORMAT_TIME, "max-buffers", guint64{4}, "max-bytes",
               guint64{0}, "leaky-type", 2, nullptr);  // 2: the oldest
  set_caps(source, size_);                             // before it starts: a segment must not go before them
  gst_bin_add(GST_BIN(pipeline_), source);
  gst_element_link_pads(source, "src", fusion_, settings_.pad);
  const std::lock_guard lock(mutex_);
  source_ = source;
}

void Camera::set_caps(GstElement* source, int size) const {
  GstCaps* caps = gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, "GRAY8", "width", G_TYPE_INT,
                                      size, "height", G_TYPE_INT, size, "framerate", GST_TYPE_FRACTION,
                                      static_cast<int>(std::lround(settings_.fps * 100)), 100, nullptr);
  gst_app_src_set_caps(GST_APP_SRC(source), caps);
  gst_caps_unref(caps);
}

void Camera::reconnect() {
  GstElement* old;
  {
    const std::lock_guard lock(mutex_);
    old = std::exchange(source_, nullptr);
  }
  gst_element_set_state(old, GST_STATE_NULL);
  gst_bin_remove(GST_BIN(pipeline_), old);
  connect();
  const std::lock_guard lock(mutex_);
  gst_element_sync_state_with_parent(source_);
}

void Camera::run() {
  running_ = true;
  thread_ = std::thread([this] { film(); });
}

void Camera::stop() {
  running_ = false;
  if (thread_.joinable()) thread_.join();
}

GstBuffer* Camera::picture(std::uint32_t code, int size) const {
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, static_cast<gsize>(size) * size, nullptr);
  GstMapInfo map;
  gst_buffer_map(buffer, &map, GST_MAP_WRITE);
  const int left = static_cast<int>(code / 20 % static_cast<unsigned>(size));
  for (int y = 0; y < size; ++y)  // something bright that moves before a slope
    for (int x = 0; x < size; ++x) {
      const bool is_bright = (x - left + size) % size < size / 3 && y > size / 4 && y < size * 3 / 4;
      map.data[y * size + x] = static_cast<std::uint8_t>(is_bright ? 220 : 40 + 60 * x / size);
    }
  for (const int row : {0, 1}) write_code(map.data + row * size, size, is_visible_ ? code : no_code);
  for (const int row : {size - 2, size - 1})
    write_code(map.data + row * size, size, is_visible_ ? no_code : code);
  gst_buffer_unmap(buffer, &map);
  return buffer;
}

void Camera::film() {
  GstClock* clock = gst_element_get_clock(pipeline_);
  const GstClockTime base = gst_element_get_base_time(pipeline_);
  const double interval = GST_SECOND / settings_.fps * (1 + settings_.drift_ppm * 1e-6);
  std::uniform_real_distribution<double> share(0, 1);
  int sent_size = 0;
  bool was_shut = false;
  std::uint32_t code = 0;
  for (std::uint64_t n = 1; running_; ++n) {
    const auto time = static_cast<GstClockTime>(interval * static_cast<double>(n));
    GstClockID id = gst_clock_new_single_shot_id(clock, base + time);
    gst_clock_id_wait(id, nullptr);
    gst_clock_id_unref(id);
    const bool is_dropped = share(random_) < settings_.drops;
    const double jitter = (2 * share(random_) - 1) * static_cast<double>(settings_.jitter);
    // In the middle of each interval, when a whole minute's other faults are over.
    const bool shut =
        settings_.shutter_interval > 0 &&
        (time + settings_.shutter_interval / 2) % settings_.shutter_interval < settings_.shutter_length;
    if (!shut || !was_shut) code = static_cast<std::uint32_t>(time / GST_MSECOND);
    was_shut = shut;
    if (is_dropped || unplugged_) continue;

    const int size = size_;
    GstBuffer* buffer = picture(code, size);
    GST_BUFFER_PTS(buffer) = time + static_cast<GstClockTime>(static_cast<double>(settings_.jitter) + jitter);
    GST_BUFFER_DURATION(buffer) = static_cast<GstClockTime>(GST_SECOND / settings_.fps);
    const std::lock_guard lock(mutex_);
    if (!source_) {
      gst_buffer_unref(buffer);
      continue;
    }
    if (std::exchange(sent_size, size) != size) set_caps(source_, size);
    gst_app_src_push_buffer(GST_APP_SRC(source_), buffer);
  }
  gst_object_unref(clock);
}

Codes codes_of(GstSample* sample) {
  Codes codes;
  GstVideoInfo info;
  GstVideoFrame frame;
  if (!gst_video_info_from_caps(&info, gst_sample_get_caps(sample)) ||
      !gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample), GST_MAP_READ))
    return codes;
  const auto row = [&](int y) {
    return static_cast<const std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0)) +
           static_cast<std::ptrdiff_t>(y) * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0);
  };
  codes.visible = read_code(row(0), info.width);
  codes.infrared = read_code(row(info.height - 1), info.width);
  gst_video_frame_unmap(&frame);
  return codes;
}

}  // namespace digfusion::test
