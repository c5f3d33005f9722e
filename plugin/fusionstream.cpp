// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/fusionstream.h"

#include <cmath>
#include <limits>
#include <utility>

#include "plugin/allocation.h"
#include "plugin/inputpad.h"
#include "plugin/messages.h"
#include "plugin/navigation.h"

#define GST_CAT_DEFAULT digfusion_debug

namespace digfusion {
namespace {

/// A picture's duration in stream time: its own, else by the caps' frame rate, else GST_CLOCK_TIME_NONE.
GstClockTime duration_of(const GstVideoInfo& info, GstBuffer* buffer) {
  if (GST_BUFFER_DURATION_IS_VALID(buffer) && GST_BUFFER_DURATION(buffer) > 0)
    return GST_BUFFER_DURATION(buffer);
  if (info.fps_n > 0 && info.fps_d > 0) return gst_util_uint64_scale(GST_SECOND, info.fps_d, info.fps_n);
  return GST_CLOCK_TIME_NONE;
}

}  // namespace

GstSegment segment_of(GstAggregatorPad* pad) {
  GST_OBJECT_LOCK(pad);
  const GstSegment segment = pad->segment;
  GST_OBJECT_UNLOCK(pad);
  return segment;
}

FusionStream::FusionStream(GstAggregator* element, GstAggregatorPad* visible, GstAggregatorPad* infrared,
                           Settings& settings, Session& session, GpuMemory& gpu)
    : element_(element),
      settings_(settings),
      session_(session),
      gpu_(gpu),
      losses_(GST_ELEMENT(element)),
      refined_(GST_ELEMENT(element)) {
  for (Input* input : {&visible_, &infrared_}) gst_video_info_init(&input->info);
  gst_video_info_init(&output_info_);
  visible_.pad = visible;
  infrared_.pad = infrared;
  const auto before_picture = +[](GstPad*, GstPadProbeInfo*, gpointer stream) {
    static_cast<FusionStream*>(stream)->send_pending();
    return GST_PAD_PROBE_OK;
  };
  gst_pad_add_probe(GST_AGGREGATOR_SRC_PAD(element), GST_PAD_PROBE_TYPE_BUFFER, before_picture, this,
                    nullptr);
}

void FusionStream::start() {
  forget();
  forget_ = flushed_ = had_infrared_ = false;
  failures_in_row_ = unwarned_ = 0;
  last_warning_ = 0;
  frames_ = dropped_ = passed_through_ = failures_ = blanked_ = late_ = 0;
  compute_time_.restart();
  losses_.restart();
  lead_ = settings_.stream().lead;
  wanted_ = settings_.parameters();
  shape_ = OutputShape(wanted_);
  negotiated_across_ = 1;
  preset_in_use_ = wanted_.preset;
  pace_ = {};
  unconfigured_ = is_timed_ = segment_waits_ = false;
  for (const Input* input : {&visible_, &infrared_}) forget_arrivals(GST_DIGFUSION_PAD(input->pad));
  refined_.restart();
}

void FusionStream::stop() {
  if (frames_ > 0)
    GST_INFO_OBJECT(element_,
                    "%" G_GUINT64_FORMAT " pictures sent, %" G_GUINT64_FORMAT
                    " of them unfused, %" G_GUINT64_FORMAT " black; %" G_GUINT64_FORMAT
                    " dropped as late, %" G_GUINT64_FORMAT " of the other stream without a partner",
                    frames_.load(), passed_through_.load(), blanked_.load(), late_.load(), dropped_.load());
  forget();
  for (GstEvent* event : pending_) gst_event_unref(event);
  pending_.clear();
  tags_ = {};
  place_.forget();
  black_.reset();
  for (Input* input : {&visible_, &infrared_}) {
    gst_clear_caps(&input->caps);
    gst_video_info_init(&input->info);
  }
}

void FusionStream::forget() {
  for (Input* input : {&visible_, &infrared_}) forget_queue(*input);
  reference_.restart();
  first_visible_.reset();
  last_visible_.reset();
  fade_.left = 0;
  visible_.end = infrared_.end = 0;
  sent_until_ = skip_before_ = INT64_MIN;
  fell_back_ = told_no_reference_ = false;
  visible_.rate.restart();
  infrared_.rate.restart();
  offset_.restart();
  frozen_.restart();
  looked_on_device_.reset();
  lateness_.restart();
  dropped_before_ = false;
  {
    const std::lock_guard lock(told_mutex_);
    told_.reset();
  }
  offset_ms_ = drift_ppm_ = std::numeric_limits<double>::quiet_NaN();
  sent_ = told_infrared_end_ = false;
}

void FusionStream::flush_started() { session_.interrupt(true); }

void FusionStream::flush_stopped(bool visible) {
  if (visible) flushed_ = true;
  forget_ = true;
  session_.interrupt(false);
}

bool FusionStream::set_caps(GstAggregatorPad* pad, GstCaps* caps) {
  GstVideoInfo info;
  if (!gst_video_info_from_caps(&info, caps)) return false;
  Input& input = pad == visible_.pad ? visible_ : infrared_;
  const bool changed = input.caps && !gst_caps_is_equal(input.caps, caps);
  GST_INFO_OBJECT(pad, "%" GST_PTR_FORMAT, caps);
  if (GST_VIDEO_INFO_IS_INTERLACED(&info) && !GST_VIDEO_INFO_IS_INTERLACED(&input.info))
    GST_ELEMENT_WARNING(
        element_, STREAM, FORMAT,
        ("The %s stream is interlaced: its two fields, taken at two moments, are fused as one picture, "
         "and what moves gets a comb's edges. Put \"deinterlace\" into its branch",
         GST_PAD_NAME(pad)),
        (nullptr));
  gst_caps_replace(&input.caps, caps);
  input.info = info;
  if (pad == visible_.pad) {
    session_.set_size(GST_VIDEO_INFO_WIDTH(&info), GST_VIDEO_INFO_HEIGHT(&info));
    if (changed) session_.reset();
    last_visible_.reset();
    visible_.held.reset();
  }
  if (pad == visible_.pad || lead_ == Lead::infrared)
    gst_pad_mark_reconfigure(GST_AGGREGATOR_SRC_PAD(element_));
  update_latency();
  return true;
}

GstCaps* FusionStream::output_caps() const {
  const bool never_came = !infrared_.caps && gst_aggregator_pad_is_eos(infrared_.pad);
  const bool infrared_leads = settings_.stream().lead == Lead::infrared && !never_came;
  if (!visible_.caps || (infrared_leads && !infrared_.caps)) return nullptr;
  GstCaps* caps = gst_caps_ref(visible_.caps);
  if (infrared_leads) {
    caps = gst_caps_make_writable(caps);
    gst_caps_set_simple(caps, "framerate", GST_TYPE_FRACTION, infrared_.info.fps_n, infrared_.info.fps_d,
                        nullptr);
  }
  return caps;
}

bool FusionStream::decide_allocation(GstQuery* query) {
  GstCaps* caps = nullptr;
  gst_query_parse_allocation(query, &caps, nullptr);
  output_on_device_ = is_cuda(caps);
  black_.reset();
  return decide_pool(query, downstream_video_meta_, gpu_);
}

GstBuffer* FusionStream::clip(GstAggregatorPad* pad, GstBuffer* buffer) const {
  if (!is_gap(buffer)) note_arrival(GST_DIGFUSION_PAD(pad));
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
    if (sign != 0) slot.time = sign * static_cast<std::int64_t>(time) + input.shift;
  }
  return slot;
}

StreamCounts FusionStream::counts() const {
  StreamCounts counts;
  counts.frames = frames_;
  counts.dropped = dropped_;
  counts.passed_through = passed_through_;
  counts.failures = failures_;
  counts.blanked = blanked_;
  counts.late = late_;
  counts.preset = preset_in_use_;
  counts.infrared_losses = losses_.count(Loss::infrared);
  counts.infrared_freezes = losses_.count(Loss::frozen);
  counts.visible_losses = losses_.count(Loss::visible);
  if (const double offset = offset_ms_; !std::isnan(offset)) counts.infrared_offset_ms = offset;
  if (const double drift = drift_ppm_; !std::isnan(drift)) counts.infrared_drift_ppm = drift;
  return counts;
}

void FusionStream::drop_flushed() {
  if (!flushed_.exchange(false)) return;
  std::erase_if(pending_, [](GstEvent* event) {
    if (GST_EVENT_IS_STICKY(event)) return false;
    gst_event_unref(event);
    return true;
  });
}

void FusionStream::forward(GstEvent* event) {
  drop_flushed();  // now, not in forget(): this one may have come after the flush, and be here before that
  // Stream start, caps and segment must have gone before, and do with the next picture.
  if (sent_ && !segment_waits_)
    gst_pad_push_event(GST_AGGREGATOR_SRC_PAD(element_), event);
  else
    pending_.push_back(event);
}

void FusionStream::send_pending() {
  drop_flushed();
  segment_waits_ = false;
  for (GstEvent* event : std::exchange(pending_, {}))
    gst_pad_push_event(GST_AGGREGATOR_SRC_PAD(element_), event);
}

void FusionStream::send_pending_with_segment() {
  if (!sent_ || !segment_waits_) return;
  // GstAggregator does so once more with the next picture, which tells nobody anything else.
  GstPad* const out = GST_AGGREGATOR_SRC_PAD(element_);
  const GstSegment segment = segment_of(GST_AGGREGATOR_PAD(out));
  gst_pad_push_event(out, gst_event_new_segment(&segment));
  send_pending();
}

void FusionStream::take_tags(GstAggregatorPad* pad, GstEvent* event) {
  if (GstEvent* merged = tags_.take(event, pad == visible_.pad)) forward(merged);
  gst_event_unref(event);
}

void FusionStream::forget_tags(GstAggregatorPad* pad) { tags_.forget(pad == visible_.pad); }

bool FusionStream::navigate(GstEvent* event) {
  Size size;
  if (GstCaps* caps = gst_pad_get_current_caps(GST_PAD(visible_.pad))) {
    GstVideoInfo info;
    if (gst_video_info_from_caps(&info, caps)) size = grid_of(info).size;
    gst_caps_unref(caps);
  }
  return send_navigation(event, settings_.parameters().mode, size, place_.map().get(), GST_PAD(visible_.pad),
                         GST_PAD(infrared_.pad));
}

GstFlowReturn FusionStream::step(bool timeout) {
  if (forget_.exchange(false)) {
    if (const GstFlowReturn flow = finish_all(); flow != GST_FLOW_OK) return flow;
    forget();
    session_.reset();
  }
  now_ = settings_.stream();
  if (now_.lead != lead_) {
    if (const GstFlowReturn flow = finish_all(); flow != GST_FLOW_OK) return flow;
    change_lead();
    return GST_AGGREGATOR_FLOW_NEED_DATA;  // the output has other caps
  }
  return lead_ == Lead::visible ? visible_leads(timeout) : infrared_leads(timeout);
}

std::optional<GstFlowReturn> FusionStream::not_ready() {
  switch (session_.wait_ready()) {
    case Session::Readiness::ready:
      if (!gpu_.knows_core()) gpu_.core_is_on(session_.statistics().device);
      return {};
    case Session::Readiness::failed:
      post_error(GST_ELEMENT(element_), load_failed, session_.load_failure());
      return GST_FLOW_ERROR;
    default:
      return GST_AGGREGATOR_FLOW_NEED_DATA;
  }
}

GstFlowReturn FusionStream::visible_leads(bool timeout) {
  const BufferRef next = peek(visible_.pad);
  if (!next && gst_aggregator_pad_is_eos(visible_.pad)) return visible_ended();
  if (!next) return timeout ? without_visible() : GST_AGGREGATOR_FLOW_NEED_DATA;
  if (is_gap(next.get())) return send_gap();
  if (!visible_.caps) return GST_FLOW_NOT_NEGOTIATED;
  if (const auto flow = not_ready()) return *flow;
  const Slot slot = slot_of(visible_, next.get());
  if (slot.time < skip_before_) {  // an infrared picture in the lead has been sent for its time
    take_first(visible_);
    return GST_AGGREGATOR_FLOW_NEED_DATA;
  }
  if (losses_.is(Loss::visible)) {
    if (slot.time < visible_.end) {  // infrared pictures have been sent for its time
      take_first(visible_);
      return GST_AGGREGATOR_FLOW_NEED_DATA;
    }
    losses_.update(Loss::visible, false, slot.time, now_.visible_loss);
    if (const GstFlowReturn flow = recover(Loss::visible, now_.visible_loss); flow != GST_FLOW_OK)
      return flow;
  }
  interval_ = slot.interval;
  times_ = {slot.time, slot.time};
  if (is_late(slot)) return drop_late(visible_, infrared_, slot);
  if (!first_visible_) first_visible_ = slot.time;
  reference_.leads(next.get(), slot.time);
  Held infrared;
  const Fate fate = find_partner(infrared_, slot, timeout, infrared);
  if (fate == Fate::wait) return GST_AGGREGATOR_FLOW_NEED_DATA;
  if (fate == Fate::ended && now_.eos_policy == EosPolicy::first) return GST_FLOW_EOS;

  // Out of the queue, so that upstream works on while this picture is fused.
  BufferRef visible = take_first(visible_);
  if (!visible) return GST_AGGREGATOR_FLOW_NEED_DATA;  // flushed away
  sent_until_ = visible_.end = slot.time + slot.interval;
  gst_aggregator_selected_samples(element_, GST_BUFFER_PTS(next.get()), GST_BUFFER_DTS(next.get()),
                                  GST_BUFFER_DURATION(next.get()), nullptr);

  if (now_.visible_loss == LossPolicy::freeze) last_visible_.reset(gst_buffer_ref(visible.get()));
  if (fate == Fate::fuse) {
    watch_clocks(slot, infrared.slot);
    return fuse_pair(std::move(visible), infrared, slot.time);
  }
  if (fate == Fate::ended) {
    if (const GstFlowReturn flow = finish_all(); flow != GST_FLOW_OK) return flow;
    // In the debug text as well, which is all that gst-launch-1.0 shows of an info.
    constexpr const char* text = "The infrared stream has ended; visible pictures go on without it";
    if (!std::exchange(told_infrared_end_, true)) GST_ELEMENT_INFO(element_, STREAM, FAILED, (text), (text));
    failures_in_row_ = 0;
    return pass_through(std::move(visible));
  }
  return without_infrared(std::move(visible), slot);
}

GstFlowReturn FusionStream::fuse_pair(BufferRef visible, const Held& infrared, std::int64_t time) {
  GST_LOG_OBJECT(element_, "%" GST_TIME_FORMAT " goes with infrared of %" GST_STIME_FORMAT,
                 GST_TIME_ARGS(GST_BUFFER_PTS(visible.get())), GST_STIME_ARGS(infrared.slot.time));
  had_infrared_ = true;
  GstFlowReturn flow = GST_FLOW_OK;
  if (losses_.update(Loss::infrared, false, time, now_.infrared_loss))
    flow = recover(Loss::infrared, now_.infrared_loss);
  if (flow != GST_FLOW_OK) return flow;
  const bool frozen = is_frozen(visible.get(), infrared, time);
  if (losses_.update(Loss::frozen, frozen, time, now_.infrared_loss) && !frozen)
    flow = recover(Loss::frozen, now_.infrared_loss);
  if (flow != GST_FLOW_OK) return flow;
  if (frozen) return with_frozen_infrared(std::move(visible), infrared);
  return fuse_and_send(std::move(visible), infrared);
}

GstFlowReturn FusionStream::visible_ended() {
  if (now_.eos_policy != EosPolicy::all) return GST_FLOW_EOS;
  while (take_first(infrared_)) ++dropped_;
  return gst_aggregator_pad_is_eos(infrared_.pad) ? GST_FLOW_EOS : GST_AGGREGATOR_FLOW_NEED_DATA;
}

GstFlowReturn FusionStream::send_gap() {
  const BufferRef gap = take_first(visible_);
  if (gap) {
    const Slot slot = slot_of(visible_, gap.get());
    sent_until_ = visible_.end = slot.time + slot.interval;
  }
  // Before the very first picture downstream knows no caps either.
  if (!gap || !sent_) return GST_FLOW_OK;
  send_pending_with_segment();
  gst_pad_push_event(GST_AGGREGATOR_SRC_PAD(element_),
                     gst_event_new_gap(GST_BUFFER_PTS(gap.get()), GST_BUFFER_DURATION(gap.get())));
  return GST_FLOW_OK;
}

}  // namespace digfusion
