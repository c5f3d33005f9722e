// SPDX-License-Identifier: LGPL-2.1-or-later
//
// FusionStream and time: when the next picture is due, which come too late, what is promised as latency, and
// what the streams' clocks do.
#include <algorithm>
#include <cmath>
#include <utility>

#include "plugin/fusionstream.h"
#include "plugin/messages.h"

#define GST_CAT_DEFAULT digfusion_debug

namespace digfusion {

void FusionStream::told_lateness(GstEvent* event) {
  GstClockTimeDiff difference = 0;
  GstClockTime time = 0;
  gst_event_parse_qos(event, nullptr, nullptr, &difference, &time);
  if (!GST_CLOCK_TIME_IS_VALID(time)) return;
  const std::lock_guard lock(told_mutex_);
  told_ = Told{static_cast<std::int64_t>(time), difference};
}

bool FusionStream::is_late(const Slot& leading) {
  {
    const std::lock_guard lock(told_mutex_);
    if (told_) {
      lateness_.told(told_->time, told_->difference, leading.interval);
      is_timed_ = true;
    }
    told_.reset();
  }
  const GstClockTime latency = gst_aggregator_get_latency(element_);  // none: not live
  if (GST_CLOCK_TIME_IS_VALID(latency)) is_timed_ = true;
  if (!now_.qos) return false;
  if (lateness_.too_old(leading.time)) return true;
  GstClock* clock = GST_CLOCK_TIME_IS_VALID(latency) ? gst_element_get_clock(GST_ELEMENT(element_)) : nullptr;
  if (!clock) return false;
  const GstClockTimeDiff running =
      GST_CLOCK_DIFF(gst_element_get_base_time(GST_ELEMENT(element_)), gst_clock_get_time(clock));
  gst_object_unref(clock);
  return lateness_.queues_up(running - leading.time,
                             static_cast<std::int64_t>(latency) - compute_time_.promised(), leading.interval,
                             g_get_monotonic_time() * 1000);
}

GstFlowReturn FusionStream::drop_late(Input& leading, Input& other, const Slot& slot) {
  const BufferRef buffer = take_first(leading);
  if (!buffer) return GST_AGGREGATOR_FLOW_NEED_DATA;  // flushed away
  leading.end = slot.time + slot.interval;
  // Upstream may push both streams from one thread.
  while (const BufferRef first = peek(other.pad)) {
    Slot after = slot_of(other, first.get());
    after.used = first.get() == other.first_used;
    if (is_gap(first.get()) || !passed_after(after, slot)) break;
    advance(other, after);
  }
  dropped_before_ = true;
  ++late_;
  if (pace_.climbs && ladder_.late(slot.interval, g_get_monotonic_time() * 1000)) tell_preset();
  const GstSegment segment = segment_of(leading.pad);
  const GstClockTime pts = GST_BUFFER_PTS(buffer.get());
  GstMessage* message = gst_message_new_qos(
      GST_OBJECT(element_), GST_CLOCK_TIME_IS_VALID(gst_aggregator_get_latency(element_)),
      static_cast<guint64>(std::max<std::int64_t>(slot.time, 0)),
      gst_segment_to_stream_time(&segment, GST_FORMAT_TIME, pts), pts, GST_BUFFER_DURATION(buffer.get()));
  gst_message_set_qos_stats(message, GST_FORMAT_BUFFERS, frames_, late_);
  gst_element_post_message(GST_ELEMENT(element_), message);
  return GST_AGGREGATOR_FLOW_NEED_DATA;
}

void FusionStream::update_latency() {
  const auto interval = [](const GstVideoInfo& info) {
    return info.fps_n > 0 ? gst_util_uint64_scale(GST_SECOND, info.fps_d, info.fps_n) : 0;
  };
  const bool infrared_leads = settings_.stream().lead == Lead::infrared;
  const Input &leading = infrared_leads ? infrared_ : visible_,
              &other = infrared_leads ? visible_ : infrared_;
  // The other stream's nearest picture can be up to half its interval in a leading picture's future, and
  // cameras of one rate may be a picture apart.
  const GstClockTime latency = std::max(interval(other.info) / 2, interval(leading.info)) +
                               static_cast<GstClockTime>(compute_time_.promised());
  if (std::exchange(latency_, latency) != latency)
    GST_INFO_OBJECT(element_, "latency %" GST_TIME_FORMAT ", of which %" GST_TIME_FORMAT " are for computing",
                    GST_TIME_ARGS(latency), GST_TIME_ARGS(compute_time_.promised()));
  gst_aggregator_set_latency(element_, latency, latency);
}

GstClockTime FusionStream::next_time() const {
  // GstAggregator waits for the latency from then on. The share of it that is for computing isn't for
  // waiting.
  const auto as_clock_time = [this](std::int64_t time) {
    return static_cast<GstClockTime>(std::max<std::int64_t>(time - compute_time_.promised(), 0));
  };
  const auto after = [&](const Input& input, std::uint64_t age) {
    if (age > G_MAXINT64 / 2) return GST_CLOCK_TIME_NONE;
    return as_clock_time(input.end + static_cast<std::int64_t>(age));
  };
  const StreamSettings settings = settings_.stream();
  if (lead_ == Lead::infrared) {
    const BufferRef infrared = peek(infrared_.pad);
    if (infrared && visible_.caps) return as_clock_time(slot_of(infrared_, infrared.get()).time);
    if (!fell_back_) return sent_ ? after(infrared_, settings.max_infrared_age) : GST_CLOCK_TIME_NONE;
  }
  if (const BufferRef visible = peek(visible_.pad))
    return as_clock_time(slot_of(visible_, visible.get()).time);
  if (!can_lead()) return GST_CLOCK_TIME_NONE;
  if (losses_.is(Loss::visible)) {
    const BufferRef infrared = peek(infrared_.pad);
    return infrared ? as_clock_time(slot_of(infrared_, infrared.get()).time) : GST_CLOCK_TIME_NONE;
  }
  return after(visible_, settings.max_visible_age);
}

void FusionStream::watch_clocks(const Slot& visible, const Slot& infrared) {
  const auto nominal = [](const GstVideoInfo& info) {
    return info.fps_n > 0 ? static_cast<double>(GST_SECOND) * info.fps_d / info.fps_n : 0;
  };
  visible_.rate.add(visible.time, nominal(visible_.info));
  if (!infrared.used) infrared_.rate.add(infrared.time, nominal(infrared_.info));
  offset_.add(infrared.time - visible.time);
  constexpr guint64 between_reports = 16;
  if (frames_ % between_reports > 0) return;
  if (const auto median = offset_.median()) offset_ms_ = static_cast<double>(*median) / GST_MSECOND;
  const auto slower = infrared_.rate.ppm(), visible_slower = visible_.rate.ppm();
  if (slower && visible_slower) drift_ppm_ = *slower - *visible_slower;
}

}  // namespace digfusion
