// SPDX-License-Identifier: LGPL-2.1-or-later
//
// FusionStream: how a picture is fused, or what is sent in its place.
#include <algorithm>
#include <cmath>
#include <utility>

#include "plugin/allocation.h"
#include "plugin/fusionstream.h"
#include "plugin/messages.h"
#include "plugin/standin.h"
#include "plugin/videoimage.h"

#define GST_CAT_DEFAULT digfusion_debug

namespace digfusion {
GstFlowReturn FusionStream::new_output(GstBuffer* visible, BufferRef& output, bool wait) {
  GstBufferPool* pool = gst_aggregator_get_buffer_pool(element_);
  if (!pool) return GST_FLOW_NOT_NEGOTIATED;
  GstBufferPoolAcquireParams params = {};
  params.flags = GST_BUFFER_POOL_ACQUIRE_FLAG_DONTWAIT;
  GstBuffer* buffer = nullptr;
  GstFlowReturn flow = GST_FLOW_FLUSHING;
  if (gst_buffer_pool_is_active(pool) || gst_buffer_pool_set_active(pool, TRUE))
    flow = gst_buffer_pool_acquire_buffer(pool, &buffer, wait ? nullptr : &params);
  gst_object_unref(pool);
  if (flow != GST_FLOW_OK) return wait || flow == GST_FLOW_FLUSHING ? flow : GST_FLOW_OK;
  output.reset(buffer);
  copy_metadata(visible, buffer);
  return GST_FLOW_OK;
}

Making FusionStream::making_of(const Held& infrared) const {
  const std::int64_t taken = losses_.is(Loss::frozen) ? frozen_.since() : infrared.slot.time;
  return {infrared.slot.time - times_.visible, std::max<std::int64_t>(times_.leading - taken, 0), {}};
}

FusionStream::Pace FusionStream::pace_wanted() const {
  return {now_.adaptive && Ladder::holds(wanted_), wanted_.preset, now_.adaptive_floor};
}

bool FusionStream::is_configured() const {
  return !settings_.has_changes() && !unconfigured_ && pace_wanted() == pace_ &&
         (pace_.climbs ? ladder_.preset() : wanted_.preset) == preset_in_use_;
}

Preset FusionStream::follow_settings() {
  if (const auto parameters = settings_.take_changes()) {
    wanted_ = *parameters;
    unconfigured_ = true;
  }
  const Pace pace = pace_wanted();
  if (pace != pace_) {
    if (pace.climbs) ladder_.restart(pace.wanted, pace.floor);
    pace_ = pace;
  }
  return pace.climbs ? ladder_.preset() : wanted_.preset;
}

Parameters FusionStream::wanted_with(Preset preset) const {
  Parameters next = wanted_;
  if (pace_.climbs) (void)set(next, *find_parameter("preset"), std::int64_t{static_cast<int>(preset)});
  return next;
}

Status FusionStream::configure_changes() {
  const Preset preset = follow_settings();
  if (!unconfigured_ && preset == preset_in_use_) return {};
  const Status status = session_.configure(wanted_with(preset));
  // A preset that only the ladder asks for; what else is refused isn't its fault.
  if (!status.ok() && !unconfigured_ && preset != preset_in_use_ && preset != wanted_.preset) {
    GST_WARNING_OBJECT(element_, "preset %s can't be had: %s", name_of(preset), status.message);
    ladder_.refuse();
    tell_preset();
    return configure_changes();
  }
  unconfigured_ = !status.ok();  // until they are accepted, or set to others
  if (status.ok()) preset_in_use_ = preset;
  return status;
}

void FusionStream::keep_pace(Preset preset, std::int64_t time, std::int64_t interval) {
  if (pace_.climbs && is_timed_ && preset == ladder_.preset() &&
      ladder_.computed(time, interval, g_get_monotonic_time() * 1000))
    tell_preset();
}

void FusionStream::tell_preset() {
  GstStructure* structure =
      gst_structure_new("digfusion-preset", "preset", G_TYPE_STRING, name_of(ladder_.preset()), "wanted",
                        G_TYPE_STRING, name_of(wanted_.preset), nullptr);
  GST_INFO_OBJECT(element_, "%" GST_PTR_FORMAT, structure);
  gst_element_post_message(GST_ELEMENT(element_), gst_message_new_element(GST_OBJECT(element_), structure));
}

GstFlowReturn FusionStream::fail(BufferRef visible, const Status& status) {
  ++failures_;
  ++failures_in_row_;
  if (status.code == ErrorCode::device) {
    // Nothing that the GPU is asked for works any more; a new start may help.
    post_error(GST_ELEMENT(element_), "The device has failed", status);
    return GST_FLOW_ERROR;
  }
  const unsigned allowed = now_.max_failures;
  if (allowed > 0 && failures_in_row_ >= allowed) {
    const std::string context =
        std::to_string(failures_in_row_) + " pictures in a row could not be fused; the last";
    post_error(GST_ELEMENT(element_), context.c_str(), status);
    return GST_FLOW_ERROR;
  }
  warn(status.message);
  return pass_through(std::move(visible));
}

void FusionStream::warn(const char* reason) {
  const gint64 now = g_get_monotonic_time();
  if (last_warning_ > 0 && now - last_warning_ < G_USEC_PER_SEC) {
    ++unwarned_;
    GST_DEBUG_OBJECT(element_, "visible picture passed through: %s", reason);
    return;
  }
  last_warning_ = now;
  const std::string more =
      unwarned_ > 0 ? " (and " + std::to_string(unwarned_) + " more since the last warning)" : std::string();
  unwarned_ = 0;
  GST_ELEMENT_WARNING(element_, STREAM, FAILED,
                      ("A visible picture is passed through unfused%s: %s", more.c_str(), reason), (nullptr));
}

GstFlowReturn FusionStream::pass_through(BufferRef visible) {
  ++passed_through_;
  // While pairs are in flight, this is one of them that failed: the others have the caps as they are.
  if (in_flight_.empty())
    if (const GstFlowReturn flow = follow_view(settings_.parameters()); flow != GST_FLOW_OK) return flow;
  if (shape_.across() > 1) return send_wide(std::move(visible));
  if (gpu_.is_on_device(visible.get()) == output_on_device_ &&
      (downstream_video_meta_ || has_default_layout(visible.get(), visible_.info)))
    return send(std::move(visible), Sent::visible);
  BufferRef copy;
  const GstFlowReturn flow = to_output(visible.get(), copy);
  return flow == GST_FLOW_OK ? send(std::move(copy), Sent::visible) : flow;
}

GstFlowReturn FusionStream::to_output(GstBuffer* picture, BufferRef& output) {
  if (const GstFlowReturn flow = new_output(picture, output); flow != GST_FLOW_OK) return flow;
  MappedFrame from(output_info_, picture, GST_MAP_READ), to(output_info_, output.get(), GST_MAP_WRITE);
  if (from.mapped() && to.mapped() && gst_video_frame_copy(&to.frame(), &from.frame())) return GST_FLOW_OK;
  GST_ELEMENT_ERROR(element_, RESOURCE, READ, ("The memory of a picture can't be mapped"), (nullptr));
  return GST_FLOW_ERROR;
}

GstFlowReturn FusionStream::into_output_memory(BufferRef& picture) {
  if (gpu_.is_on_device(picture.get()) == output_on_device_) return GST_FLOW_OK;
  BufferRef copy;
  const GstFlowReturn flow = to_output(picture.get(), copy);
  if (flow == GST_FLOW_OK) picture = std::move(copy);
  return flow;
}

GstFlowReturn FusionStream::send_wide(BufferRef visible) {
  BufferRef wide = in_output_caps(std::move(visible), true);
  if (!wide) {
    GST_ELEMENT_ERROR(element_, RESOURCE, READ, ("The memory of the visible picture can't be mapped"),
                      (nullptr));
    return GST_FLOW_ERROR;
  }
  const GstFlowReturn flow = into_output_memory(wide);
  return flow == GST_FLOW_OK ? send(std::move(wide), Sent::visible) : flow;
}

GstFlowReturn FusionStream::send(BufferRef buffer, Sent sent, const Making* making) {
  if (!std::exchange(sent_, true)) {
    const Statistics core = session_.statistics();
    GST_INFO_OBJECT(element_, "first picture, by %s in %s with %s", core.device, core.precision,
                    core.model[0] ? core.model : "no model");
  }
  ++frames_;
  lateness_.sent(g_get_monotonic_time() * 1000);
  buffer.reset(gst_buffer_make_writable(buffer.release()));
  if (std::exchange(dropped_before_, false)) GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_DISCONT);
  add_picture_meta(buffer.get(), sent, wanted_.mode, preset_in_use_, making);
  const gint64 begin = g_get_monotonic_time();
  const GstFlowReturn flow = gst_aggregator_finish_buffer(element_, buffer.release());
  downstream_ += (g_get_monotonic_time() - begin) * 1000;
  return flow;
}

}  // namespace digfusion
