// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/fusionstream.h"

#include <cmath>
#include <utility>

#include "plugin/allocation.h"
#include "plugin/messages.h"
#include "plugin/videoimage.h"

#define GST_CAT_DEFAULT digfusion_debug

namespace digfusion {
namespace {

/// How long a live stream may start without an infrared picture before its absence counts as a failure.
constexpr std::int64_t start_up = 10 * static_cast<std::int64_t>(GST_SECOND);

/// What GstAggregator makes of a GAP event.
bool is_gap(GstBuffer* buffer) {
  return GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP) && gst_buffer_get_size(buffer) == 0;
}

BufferRef peek(GstAggregatorPad* pad) { return BufferRef(gst_aggregator_pad_peek_buffer(pad)); }
BufferRef pop(GstAggregatorPad* pad) { return BufferRef(gst_aggregator_pad_pop_buffer(pad)); }

GstSegment segment_of(GstAggregatorPad* pad) {
  GST_OBJECT_LOCK(pad);
  const GstSegment segment = pad->segment;
  GST_OBJECT_UNLOCK(pad);
  return segment;
}

/// A picture's duration in stream time: its own, else by the caps' frame rate, else GST_CLOCK_TIME_NONE.
GstClockTime duration_of(const GstVideoInfo& info, GstBuffer* buffer) {
  if (GST_BUFFER_DURATION_IS_VALID(buffer) && GST_BUFFER_DURATION(buffer) > 0)
    return GST_BUFFER_DURATION(buffer);
  if (info.fps_n > 0 && info.fps_d > 0) return gst_util_uint64_scale(GST_SECOND, info.fps_d, info.fps_n);
  return GST_CLOCK_TIME_NONE;
}

}  // namespace

FusionStream::FusionStream(GstAggregator* element, GstAggregatorPad* visible, GstAggregatorPad* infrared,
                           Settings& settings, Session& session)
    : element_(element), settings_(settings), session_(session) {
  for (Input* input : {&visible_, &infrared_}) gst_video_info_init(&input->info);
  visible_.pad = visible;
  infrared_.pad = infrared;
}

void FusionStream::start() {
  forget();
  forget_ = had_infrared_ = false;
  failures_in_row_ = unwarned_ = 0;
  last_warning_ = 0;
  frames_ = dropped_ = passed_through_ = failures_ = 0;
}

void FusionStream::stop() {
  forget();
  for (GstEvent* event : pending_) gst_event_unref(event);
  pending_.clear();
  for (Input* input : {&visible_, &infrared_}) {
    gst_clear_caps(&input->caps);
    gst_video_info_init(&input->info);
  }
}

void FusionStream::forget() {
  held_.reset();
  first_used_ = nullptr;
  first_visible_.reset();
  visible_.end = infrared_.end = 0;
  sent_ = told_infrared_end_ = false;
}

void FusionStream::flush_started() { session_.interrupt(true); }

void FusionStream::flush_stopped() {
  forget_ = true;
  session_.interrupt(false);
}

bool FusionStream::set_caps(GstAggregatorPad* pad, GstCaps* caps) {
  GstVideoInfo info;
  if (!gst_video_info_from_caps(&info, caps)) return false;
  Input& input = pad == visible_.pad ? visible_ : infrared_;
  const bool changed = input.caps && !gst_caps_is_equal(input.caps, caps);
  gst_caps_replace(&input.caps, caps);
  input.info = info;
  if (pad == visible_.pad) {
    session_.set_size(GST_VIDEO_INFO_WIDTH(&info), GST_VIDEO_INFO_HEIGHT(&info));
    if (changed) session_.reset();
    gst_pad_mark_reconfigure(GST_AGGREGATOR_SRC_PAD(element_));
  } else {
    // The nearest infrared picture can be up to half its interval in a visible picture's future.
    GstClockTime latency = 0;
    if (info.fps_n > 0) latency = gst_util_uint64_scale(GST_SECOND, info.fps_d, 2 * guint64(info.fps_n));
    gst_aggregator_set_latency(element_, latency, latency);
  }
  return true;
}

bool FusionStream::decide_allocation(GstQuery* query) { return decide_pool(query, downstream_video_meta_); }

GstBuffer* FusionStream::clip(GstAggregatorPad* pad, GstBuffer* buffer) const {
  const GstSegment segment = segment_of(pad);
  if (!GST_BUFFER_PTS_IS_VALID(buffer) || segment.format != GST_FORMAT_TIME) return buffer;
  const GstClockTime start = GST_BUFFER_PTS(buffer);
  const GstClockTime duration = duration_of(pad == visible_.pad ? visible_.info : infrared_.info, buffer);
  const GstClockTime stop = GST_CLOCK_TIME_IS_VALID(duration) ? start + duration : GST_CLOCK_TIME_NONE;
  if (gst_segment_clip(&segment, GST_FORMAT_TIME, start, stop, nullptr, nullptr)) return buffer;
  GST_LOG_OBJECT(pad, "outside the segment: %" GST_PTR_FORMAT, buffer);
  gst_buffer_unref(buffer);
  return nullptr;
}

Slot FusionStream::slot_of(const Input& input, GstBuffer* buffer) const {
  const GstSegment segment = segment_of(input.pad);
  Slot slot;
  const GstClockTime duration = duration_of(input.info, buffer);
  if (GST_CLOCK_TIME_IS_VALID(duration))
    slot.interval = static_cast<std::int64_t>(static_cast<double>(duration) / std::abs(segment.rate));
  slot.time = input.end;
  if (GST_BUFFER_PTS_IS_VALID(buffer)) {
    guint64 time = 0;
    const int sign =
        gst_segment_to_running_time_full(&segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer), &time);
    if (sign != 0) slot.time = sign * static_cast<std::int64_t>(time);
  }
  return slot;
}

GstClockTime FusionStream::next_time() const {
  const BufferRef visible = peek(visible_.pad);
  if (!visible) return GST_CLOCK_TIME_NONE;
  const std::int64_t time = slot_of(visible_, visible.get()).time;
  return time > 0 ? static_cast<GstClockTime>(time) : 0;
}

StreamCounts FusionStream::counts() const { return {frames_, dropped_, passed_through_, failures_}; }

void FusionStream::advance(const Slot& slot) {
  BufferRef buffer = pop(infrared_.pad);
  if (!buffer) return;  // flushed away
  if (held_ && !held_->slot.used) ++dropped_;
  infrared_.end = slot.time + slot.interval;
  held_ = Held{std::move(buffer), infrared_.info, slot};
  first_used_ = nullptr;
}

FusionStream::Fate FusionStream::use_held(Held& partner) {
  partner = {BufferRef(gst_buffer_ref(held_->buffer.get())), held_->info, held_->slot};
  held_->slot.used = true;
  return Fate::fuse;
}

FusionStream::Fate FusionStream::use_first(BufferRef first, const Slot& slot, const Slot& visible,
                                           Held& partner) {
  first_used_ = first.get();
  partner = {std::move(first), infrared_.info, slot};
  if (passed_after(slot, visible)) {
    advance(slot);
    if (held_) held_->slot.used = true;
  }
  return Fate::fuse;
}

FusionStream::Fate FusionStream::without_next(const Slot& visible, Held& partner) {
  return held_ && is_fresh(held_->slot, visible) ? use_held(partner) : Fate::missing;
}

FusionStream::Fate FusionStream::find_partner(const Slot& visible, bool timeout, Held& partner) {
  while (BufferRef first = peek(infrared_.pad)) {
    Slot slot = slot_of(infrared_, first.get());
    slot.used = first.get() == first_used_;
    if (is_gap(first.get())) {
      // Until the gap ends there is nothing to wait for.
      if (slot.time + slot.interval > visible.time) return without_next(visible, partner);
      first = pop(infrared_.pad);
      continue;
    }
    switch (pair(held_ ? std::optional(held_->slot) : std::nullopt, slot, visible)) {
      case Pairing::hold:
        return use_held(partner);
      case Pairing::take:
        return use_first(std::move(first), slot, visible, partner);
      case Pairing::advance:
        advance(slot);
    }
  }
  if (gst_aggregator_pad_is_eos(infrared_.pad))
    return held_ && covers(held_->slot, visible) ? use_held(partner) : Fate::ended;
  return timeout ? without_next(visible, partner) : Fate::wait;
}

void FusionStream::forward(GstEvent* event) {
  // Stream start, caps and segment must have gone before, and do with the first picture.
  if (sent_)
    gst_pad_push_event(GST_AGGREGATOR_SRC_PAD(element_), event);
  else
    pending_.push_back(event);
}

GstFlowReturn FusionStream::aggregate(bool timeout) {
  if (forget_.exchange(false)) {
    forget();
    session_.reset();
  }
  const BufferRef next = peek(visible_.pad);
  if (!next) return gst_aggregator_pad_is_eos(visible_.pad) ? visible_ended() : GST_AGGREGATOR_FLOW_NEED_DATA;
  if (is_gap(next.get())) return send_gap();
  if (!visible_.caps) return GST_FLOW_NOT_NEGOTIATED;

  switch (session_.wait_ready()) {
    case Session::Readiness::ready:
      break;
    case Session::Readiness::failed:
      post_error(GST_ELEMENT(element_), load_failed, session_.load_failure());
      return GST_FLOW_ERROR;
    case Session::Readiness::interrupted:
      return GST_AGGREGATOR_FLOW_NEED_DATA;
  }
  const Slot slot = slot_of(visible_, next.get());
  if (!first_visible_) first_visible_ = slot.time;
  Held infrared;
  const Fate fate = find_partner(slot, timeout, infrared);
  if (fate == Fate::wait) return GST_AGGREGATOR_FLOW_NEED_DATA;
  if (fate == Fate::ended && settings_.eos_policy() == EosPolicy::first) return GST_FLOW_EOS;

  // Out of the queue, so that upstream works on while this picture is fused.
  BufferRef visible = pop(visible_.pad);
  if (!visible) return GST_AGGREGATOR_FLOW_NEED_DATA;  // flushed away
  visible_.end = slot.time + slot.interval;
  gst_aggregator_selected_samples(element_, GST_BUFFER_PTS(next.get()), GST_BUFFER_DTS(next.get()),
                                  GST_BUFFER_DURATION(next.get()), nullptr);

  if (fate == Fate::fuse) {
    had_infrared_ = true;
    return fuse_and_send(std::move(visible), infrared);
  }
  if (fate == Fate::ended) {
    // In the debug text as well, which is all that gst-launch-1.0 shows of an info.
    constexpr const char* text = "The infrared stream has ended; visible pictures go on without it";
    if (!std::exchange(told_infrared_end_, true)) GST_ELEMENT_INFO(element_, STREAM, FAILED, (text), (text));
    failures_in_row_ = 0;
    return pass_through(std::move(visible));
  }
  if (!had_infrared_ && slot.time - *first_visible_ < start_up) {
    warn("no infrared picture has come yet");
    return pass_through(std::move(visible));
  }
  return fail(std::move(visible),
              failure(ErrorCode::internal, "there is no infrared picture near it in time"));
}

GstFlowReturn FusionStream::visible_ended() {
  if (settings_.eos_policy() != EosPolicy::all) return GST_FLOW_EOS;
  while (pop(infrared_.pad)) ++dropped_;
  return gst_aggregator_pad_is_eos(infrared_.pad) ? GST_FLOW_EOS : GST_AGGREGATOR_FLOW_NEED_DATA;
}

GstFlowReturn FusionStream::send_gap() {
  const BufferRef gap = pop(visible_.pad);
  // Before the first picture there is neither a segment nor caps downstream that the gap could lie in.
  if (gap && sent_)
    gst_pad_push_event(GST_AGGREGATOR_SRC_PAD(element_),
                       gst_event_new_gap(GST_BUFFER_PTS(gap.get()), GST_BUFFER_DURATION(gap.get())));
  return GST_FLOW_OK;
}

GstFlowReturn FusionStream::new_output(GstBuffer* visible, BufferRef& output) {
  GstBufferPool* pool = gst_aggregator_get_buffer_pool(element_);
  if (!pool) return GST_FLOW_NOT_NEGOTIATED;
  GstBuffer* buffer = nullptr;
  GstFlowReturn flow = GST_FLOW_FLUSHING;
  if (gst_buffer_pool_is_active(pool) || gst_buffer_pool_set_active(pool, TRUE))
    flow = gst_buffer_pool_acquire_buffer(pool, &buffer, nullptr);
  gst_object_unref(pool);
  if (flow != GST_FLOW_OK) return flow;
  output.reset(buffer);
  copy_metadata(visible, buffer);
  return GST_FLOW_OK;
}

Status FusionStream::fuse(GstBuffer* visible, const Held& infrared, GstBuffer* output) {
  const auto refused = [](const char* which) {
    return failure(ErrorCode::invalid_argument, (std::string("the memory of the ") + which +
                                                 " picture can't be mapped, or is smaller than its caps say")
                                                    .c_str());
  };
  MappedFrame visible_frame(visible_.info, visible, GST_MAP_READ);
  if (!visible_frame.mapped()) return refused("visible");
  MappedFrame infrared_frame(infrared.info, infrared.buffer.get(), GST_MAP_READ);
  if (!infrared_frame.mapped()) return refused("infrared");
  MappedFrame output_frame(visible_.info, output, GST_MAP_WRITE);
  if (!output_frame.mapped()) return refused("output");
  const Image sources[] = {as_image(visible_frame.frame()), as_image(infrared_frame.frame())};
  return session_.fuse(sources, std::size(sources), as_image(output_frame.frame()));
}

GstFlowReturn FusionStream::fuse_and_send(BufferRef visible, const Held& infrared) {
  const GstSegment segment = segment_of(visible_.pad);
  const GstClockTime time =
      gst_segment_to_stream_time(&segment, GST_FORMAT_TIME, GST_BUFFER_PTS(visible.get()));
  if (GST_CLOCK_TIME_IS_VALID(time)) gst_object_sync_values(GST_OBJECT(element_), time);

  Status status;
  if (const auto parameters = settings_.take_changes()) {
    status = session_.configure(*parameters);
    if (!status.ok()) {
      settings_.mark_changed();  // until they are accepted, or set to others
      return fail(std::move(visible), status);
    }
  }
  if (GST_BUFFER_IS_DISCONT(visible.get()) && sent_) session_.reset();
  BufferRef output;
  if (const GstFlowReturn flow = new_output(visible.get(), output); flow != GST_FLOW_OK) return flow;
  status = fuse(visible.get(), infrared, output.get());
  if (!status.ok()) return fail(std::move(visible), status);
  failures_in_row_ = 0;
  return send(std::move(output));
}

GstFlowReturn FusionStream::fail(BufferRef visible, const Status& status) {
  ++failures_;
  ++failures_in_row_;
  const unsigned allowed = settings_.max_failures();
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
  if (downstream_video_meta_ || has_default_layout(visible.get(), visible_.info))
    return send(std::move(visible));
  BufferRef copy;
  if (const GstFlowReturn flow = new_output(visible.get(), copy); flow != GST_FLOW_OK) return flow;
  {
    MappedFrame from(visible_.info, visible.get(), GST_MAP_READ);
    MappedFrame to(visible_.info, copy.get(), GST_MAP_WRITE);
    if (!from.mapped() || !to.mapped() || !gst_video_frame_copy(&to.frame(), &from.frame())) {
      GST_ELEMENT_ERROR(element_, RESOURCE, READ, ("The memory of the visible picture can't be mapped"),
                        (nullptr));
      return GST_FLOW_ERROR;
    }
  }
  return send(std::move(copy));
}

GstFlowReturn FusionStream::send(BufferRef buffer) {
  sent_ = true;
  ++frames_;
  // Stream start, caps and segment went downstream with the negotiation.
  for (GstEvent* event : pending_) gst_pad_push_event(GST_AGGREGATOR_SRC_PAD(element_), event);
  pending_.clear();
  return gst_aggregator_finish_buffer(element_, buffer.release());
}

}  // namespace digfusion
