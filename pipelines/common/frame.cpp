// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/frame.h"

#include "pipelines/common/failure.h"

namespace digfusion::pipelines {
namespace {

GstBuffer* ref(GstBuffer* buffer) { return buffer ? gst_buffer_ref(buffer) : nullptr; }
GstCaps* ref(GstCaps* caps) { return caps ? gst_caps_ref(caps) : nullptr; }

bool is_raw_video(GstCaps* caps) {
  return caps && gst_caps_get_size(caps) > 0 &&
         gst_structure_has_name(gst_caps_get_structure(caps, 0), "video/x-raw");
}

}  // namespace

Frame Frame::from_sample(GstSample* sample) {
  GstBuffer* buffer = gst_sample_get_buffer(sample);
  GstCaps* caps = gst_sample_get_caps(sample);
  const GstSegment* segment = gst_sample_get_segment(sample);
  if (!buffer || !is_raw_video(caps) || segment->format != GST_FORMAT_TIME) return {};
  const GstClockTime time = gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  return GST_CLOCK_TIME_IS_VALID(time) ? Frame(buffer, caps).at(time) : Frame();
}

Frame::Frame(GstBuffer* buffer, GstCaps* caps) : buffer_(ref(buffer)), caps_(ref(caps)) {}

Frame::Frame(const Frame& other) : Frame(other.buffer(), other.caps()) {}

Frame Frame::at(GstClockTime time) const {
  if (!buffer_ || GST_BUFFER_PTS(buffer_.get()) == time) return *this;
  Frame moved;
  moved.buffer_.reset(gst_buffer_copy(buffer_.get()));  // shares the memory
  moved.caps_.reset(ref(caps_.get()));
  GST_BUFFER_PTS(moved.buffer_.get()) = time;
  GST_BUFFER_DTS(moved.buffer_.get()) = GST_CLOCK_TIME_NONE;
  return moved;
}

GstVideoInfo Frame::info() const {
  GstVideoInfo info;
  if (!is_raw_video(caps_.get()) || !gst_video_info_from_caps(&info, caps_.get()))
    throw Failure("a picture has no format that can be used");
  return info;
}

}  // namespace digfusion::pipelines
