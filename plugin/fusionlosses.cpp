// SPDX-License-Identifier: LGPL-2.1-or-later
//
// FusionStream while a stream is lost or infrared is frozen, and on the way back.
#include <algorithm>
#include <cmath>
#include <utility>

#include "plugin/allocation.h"
#include "plugin/fusionstream.h"
#include "plugin/messages.h"
#include "plugin/regions.h"
#include "plugin/standin.h"
#include "plugin/videoimage.h"

#define GST_CAT_DEFAULT digfusion_debug

namespace digfusion {
namespace {

/// How long a live stream may start without an infrared picture before its absence counts as a failure.
constexpr std::int64_t start_up = 10 * static_cast<std::int64_t>(GST_SECOND);

/// Whether gray has to be made of its values first (core/image/thermal.h).
bool is_raw_infrared(const GstVideoInfo& info) {
  return GST_VIDEO_INFO_IS_GRAY(&info) && GST_VIDEO_INFO_COMP_DEPTH(&info, 0) > 8;
}

/// An infrared picture on a GPU is fetched no more often than this to see whether it is frozen.
constexpr std::int64_t between_looks_on_device = 100'000'000;

}  // namespace

bool FusionStream::can_lead() const {
  return settings_.stream().visible_loss != LossPolicy::wait && sent_ && visible_.caps &&
         !gst_aggregator_pad_is_eos(visible_.pad);
}

GstFlowReturn FusionStream::recover(Loss which, LossPolicy policy) {
  if (const GstFlowReturn flow = finish_all(); flow != GST_FLOW_OK) return flow;
  const bool jumps = policy == LossPolicy::pass || policy == LossPolicy::blank;
  // Of what the fusion remembers nothing is true any more. Behind a shutter it is.
  if (which != Loss::frozen) session_.reset();
  fade_ = {jumps ? now_.recovery_frames : 0, now_.recovery_frames, which, policy};
  return GST_FLOW_OK;
}

GstFlowReturn FusionStream::without_infrared(BufferRef visible, const Slot& slot) {
  if (const GstFlowReturn flow = finish_all(); flow != GST_FLOW_OK) return flow;
  const LossPolicy policy = now_.infrared_loss;
  const bool starting = !had_infrared_ && slot.time - *first_visible_ < start_up;
  if (!starting) losses_.update(Loss::infrared, true, slot.time, policy);
  if (policy == LossPolicy::blank) return send_blank(visible.get());
  if (starting) {
    warn("no infrared picture has come yet");
    return pass_through(std::move(visible));
  }
  if (policy == LossPolicy::freeze && infrared_.held) {
    Held partner;
    use_held(infrared_, partner);
    return fuse_and_send(std::move(visible), partner);
  }
  const Status status = failure(ErrorCode::internal, "there is no infrared picture near it in time");
  if (policy != LossPolicy::error) return fail(std::move(visible), status);
  post_error(GST_ELEMENT(element_), "The infrared stream is lost", status);
  return GST_FLOW_ERROR;
}

GstFlowReturn FusionStream::with_frozen_infrared(BufferRef visible, const Held& infrared) {
  if (const GstFlowReturn flow = finish_all(); flow != GST_FLOW_OK) return flow;
  switch (now_.infrared_loss) {
    case LossPolicy::pass:
      failures_in_row_ = 0;  // the camera is alive
      return pass_through(std::move(visible));
    case LossPolicy::blank:
      return send_blank(visible.get());
    case LossPolicy::error:
      post_error(GST_ELEMENT(element_), "The infrared stream is frozen",
                 failure(ErrorCode::internal, "its pictures are the same while the visible ones change"));
      return GST_FLOW_ERROR;
    default:
      return fuse_and_send(std::move(visible), infrared);
  }
}

GstFlowReturn FusionStream::visible_is_lost() {
  post_error(GST_ELEMENT(element_), "The visible stream is lost",
             failure(ErrorCode::internal, "no picture has come for max-visible-age"));
  return GST_FLOW_ERROR;
}

GstFlowReturn FusionStream::led_without_visible(const Slot& slot) {
  if (const GstFlowReturn flow = finish_all(); flow != GST_FLOW_OK) return flow;
  const LossPolicy policy = now_.visible_loss;
  losses_.update(Loss::visible, true, slot.time, policy);
  if (policy == LossPolicy::error) return visible_is_lost();
  if (policy != LossPolicy::wait) return send_infrared_led(policy);
  ++dropped_;
  return GST_AGGREGATOR_FLOW_NEED_DATA;
}

GstFlowReturn FusionStream::without_visible() {
  const LossPolicy policy = now_.visible_loss;
  losses_.update(Loss::visible, true, visible_.end, policy);
  if (policy == LossPolicy::error) return visible_is_lost();
  const BufferRef first = peek(infrared_.pad);
  if (!first) return GST_AGGREGATOR_FLOW_NEED_DATA;
  if (is_gap(first.get())) {
    take_first(infrared_);
    return GST_AGGREGATOR_FLOW_NEED_DATA;
  }
  const Slot slot = slot_of(infrared_, first.get());
  advance(infrared_, slot);
  // What was taken before the last picture that was sent is too late.
  if (!infrared_.held || infrared_.held->slot.time < visible_.end) return GST_AGGREGATOR_FLOW_NEED_DATA;
  infrared_.held->slot.used = true;
  return send_infrared_led(policy);
}

bool FusionStream::is_frozen(GstBuffer* visible, const Held& infrared, std::int64_t time) {
  if (now_.frozen_infrared_after == 0) {
    frozen_.restart();
    return false;
  }
  bool is_new = !infrared.slot.used;
  if (is_new && gpu_.is_on_device(infrared.buffer.get())) {
    is_new = !looked_on_device_ || time - *looked_on_device_ >= between_looks_on_device;
    if (is_new) looked_on_device_ = time;
  }
  // A picture that can't be mapped is fuse()'s to complain of.
  std::optional<MappedFrame> visible_frame, infrared_frame;
  const auto source = [](std::optional<MappedFrame>& frame, const GstVideoInfo& info, GstBuffer* buffer) {
    return [&frame, &info, buffer]() -> std::optional<Image> {
      if (!frame) frame.emplace(info, buffer, GST_MAP_READ);
      if (!frame->mapped()) return {};
      return as_image(frame->frame());
    };
  };
  const std::uint64_t after = std::min<std::uint64_t>(now_.frozen_infrared_after, INT64_MAX);
  return frozen_.look(source(visible_frame, visible_.info, visible),
                      source(infrared_frame, infrared.info, infrared.buffer.get()), is_new, time,
                      static_cast<std::int64_t>(after));
}

BufferRef FusionStream::stamped(GstBuffer* picture, const Slot& slot) const {
  const GstSegment segment = segment_of(visible_.pad);
  const GstClockTime pts = slot.time < 0 ? GST_CLOCK_TIME_NONE
                                         : gst_segment_position_from_running_time(
                                               &segment, GST_FORMAT_TIME, static_cast<guint64>(slot.time));
  if (!GST_CLOCK_TIME_IS_VALID(pts)) return nullptr;
  BufferRef copy(gst_buffer_copy(picture));  // of the same memory
  GST_BUFFER_PTS(copy.get()) = pts;
  GST_BUFFER_DTS(copy.get()) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION(copy.get()) =
      slot.interval > 0
          ? static_cast<GstClockTime>(static_cast<double>(slot.interval) * std::abs(segment.rate))
          : GST_CLOCK_TIME_NONE;
  GST_BUFFER_FLAG_UNSET(copy.get(), GST_BUFFER_FLAG_DISCONT);
  return copy;
}

BufferRef FusionStream::read_by_core(const Held& infrared) {
  BufferRef nothing = black_picture(visible_.info), output = black_picture(visible_.info);
  if (!nothing || !output) return nullptr;
  const Preset preset = follow_settings();
  Parameters alone = wanted_with(preset);
  alone.mode = View::infrared;
  unconfigured_ = true;  // for the next fused picture
  Status status = session_.configure(alone);
  if (status.ok()) {
    preset_in_use_ = preset;
    MappedFrame visible_frame(visible_.info, nothing.get(), GST_MAP_READ),
        infrared_frame(infrared.info, infrared.buffer.get(), GST_MAP_READ),
        output_frame(visible_.info, output.get(), GST_MAP_READWRITE);
    if (!visible_frame.mapped() || !infrared_frame.mapped() || !output_frame.mapped()) return nullptr;
    const Image sources[] = {as_image(visible_frame.frame()), as_image(infrared_frame.frame())};
    status = session_.fuse(sources, std::size(sources), as_image(output_frame.frame()));
  }
  if (status.ok()) return output;
  GST_WARNING_OBJECT(element_, "the infrared picture is shown over its whole range: %s", status.message);
  return nullptr;
}

GstFlowReturn FusionStream::send_infrared_led(LossPolicy policy) {
  const Held& infrared = *infrared_.held;
  const Slot slot = infrared.slot;
  sent_until_ = visible_.end = slot.time + slot.interval;
  times_.leading = slot.time;
  if (policy == LossPolicy::freeze && last_visible_) {
    BufferRef frozen = stamped(last_visible_.get(), slot);
    if (!frozen) return GST_AGGREGATOR_FLOW_NEED_DATA;
    remove_captions(frozen.get());  // they were shown once
    return fuse_and_send(std::move(frozen),
                         {BufferRef(gst_buffer_ref(infrared.buffer.get())), infrared.info, slot});
  }
  if (const GstFlowReturn flow = follow_view(settings_.parameters()); flow != GST_FLOW_OK) return flow;
  const bool is_raw = policy == LossPolicy::pass && is_raw_infrared(infrared.info);
  BufferRef alone = is_raw ? read_by_core(infrared) : nullptr;
  const bool is_placed = alone != nullptr;
  if (!alone && policy == LossPolicy::pass)
    alone = converted(infrared.buffer.get(), infrared.info, visible_.info);
  BufferRef unstamped = in_output_caps(std::move(alone), false);
  if (policy == LossPolicy::blank) {
    if (const GstFlowReturn flow = blank(nullptr, unstamped); flow != GST_FLOW_OK) return flow;
  }
  if (!unstamped) {
    warn("the infrared picture can't be converted to the visible caps");
    return GST_AGGREGATOR_FLOW_NEED_DATA;
  }
  if (const GstFlowReturn flow = into_output_memory(unstamped); flow != GST_FLOW_OK) return flow;
  BufferRef picture = stamped(unstamped.get(), slot);
  if (!picture) return GST_AGGREGATOR_FLOW_NEED_DATA;
  if (policy == LossPolicy::blank) {
    ++blanked_;
    return send(std::move(picture), Sent::blank);
  }
  ++passed_through_;
  if (has_regions(infrared.buffer.get())) {
    if (is_placed) place_.update(wanted_, visible_.info, infrared.info, session_.report());
    const auto placed = is_placed ? place_.map() : nullptr;
    const Size half = grid_of(visible_.info).size;  // of a picture with another beside it, which is black
    map_regions(infrared.buffer.get(),
                placed ? *placed : InfraredMap({}, {}, {half}, {grid_of(infrared.info).size}), picture.get(),
                shape_.across() > 1 ? static_cast<guint>(half.width) : 0);
  }
  return send(std::move(picture), Sent::infrared);
}

GstFlowReturn FusionStream::fade_in(GstBuffer* fused, GstBuffer* visible, const Held& infrared) {
  if (fade_.left == 0) return GST_FLOW_OK;
  // What was sent meanwhile isn't what a plain conversion makes.
  if (fade_.which == Loss::visible && fade_.policy == LossPolicy::pass && is_raw_infrared(infrared.info)) {
    fade_.left = 0;
    return GST_FLOW_OK;
  }
  BufferRef over;
  if (fade_.policy == LossPolicy::blank) {
    if (const GstFlowReturn flow = blank(visible, over); flow != GST_FLOW_OK) return flow;
  } else if (fade_.which == Loss::visible) {
    over = in_output_caps(converted(infrared.buffer.get(), infrared.info, visible_.info), false);
  } else {
    over = in_output_caps(BufferRef(gst_buffer_ref(visible)), true);
  }
  if (!over || !fade(fused, over.get(), output_info_, double(fade_.left) / (fade_.of + 1)))
    GST_DEBUG_OBJECT(element_, "a picture of the recovery can't be faded");
  --fade_.left;
  return GST_FLOW_OK;
}

GstFlowReturn FusionStream::blank(GstBuffer* like, BufferRef& picture) {
  if (!black_) {
    BufferRef black = black_picture(output_info_), copy;
    if (!black) {
      GST_ELEMENT_ERROR(element_, RESOURCE, NO_SPACE_LEFT, ("There is no memory for a black picture"),
                        (nullptr));
      return GST_FLOW_ERROR;
    }
    if (output_on_device_) {
      if (const GstFlowReturn flow = to_output(black.get(), copy); flow != GST_FLOW_OK) return flow;
    }
    black_ = copy ? std::move(copy) : std::move(black);
  }
  picture.reset(gst_buffer_copy(black_.get()));  // of the same memory
  if (like) copy_metadata(like, picture.get());
  return GST_FLOW_OK;
}

GstFlowReturn FusionStream::send_blank(GstBuffer* like) {
  if (const GstFlowReturn flow = follow_view(settings_.parameters()); flow != GST_FLOW_OK) return flow;
  BufferRef black;
  if (const GstFlowReturn flow = blank(like, black); flow != GST_FLOW_OK) return flow;
  ++blanked_;
  return send(std::move(black), Sent::blank);
}

}  // namespace digfusion
