// SPDX-License-Identifier: LGPL-2.1-or-later
//
// FusionStream: which picture of the other stream is found for one of the leading stream, and infrared
// pictures in the lead.
#include <algorithm>
#include <utility>

#include "plugin/allocation.h"
#include "plugin/fusionstream.h"
#include "plugin/messages.h"

#define GST_CAT_DEFAULT digfusion_debug

namespace digfusion {

void FusionStream::forget_queue(Input& input) {
  input.held.reset();
  input.first_used = nullptr;
  input.shift = 0;
}

void FusionStream::change_lead() {
  lead_ = now_.lead;
  for (Input* input : {&visible_, &infrared_}) forget_queue(*input);
  reference_.restart();
  offset_.restart();
  fell_back_ = false;
  skip_before_ = sent_until_;
  gst_pad_mark_reconfigure(GST_AGGREGATOR_SRC_PAD(element_));
  update_latency();
}

void FusionStream::skip_to_other_lead() {
  skip_before_ = sent_until_;
  visible_.shift = infrared_.shift = 0;  // each was shifted to the other's clock
  reference_.restart();
}

Limits FusionStream::limits(const Input& other) const {
  const auto time = [](std::uint64_t value) {
    return static_cast<std::int64_t>(std::min<std::uint64_t>(value, INT64_MAX));
  };
  return {time(now_.pts_tolerance),
          time(&other == &infrared_ ? now_.max_infrared_age : now_.max_visible_age)};
}

void FusionStream::follow_reference(Input& other, GstBuffer* buffer) {
  if (now_.pair_by == PairBy::running_time) {
    other.shift = 0;
    return;
  }
  if (const auto shift = reference_.shift(buffer, slot_of(other, buffer).time - other.shift)) {
    other.shift = *shift;
  } else if (other.shift == 0 && !std::exchange(told_no_reference_, true)) {
    GST_ELEMENT_WARNING(
        element_, STREAM, FAILED,
        ("pair-by=reference-timestamp: a picture of either stream has no reference timestamp of the "
         "clock that the other one's has; pictures are paired by running time. Let both sources add "
         "it (rtspsrc: add-reference-timestamp-meta=true)"),
        (nullptr));
  }
}

BufferRef FusionStream::take_first(Input& input) {
  input.first_used = nullptr;  // the next buffer may lie where this one lay
  return pop(input.pad);
}

void FusionStream::advance(Input& input, const Slot& slot) {
  BufferRef buffer = take_first(input);
  if (!buffer) return;  // flushed away
  if (input.held && !input.held->slot.used) ++dropped_;
  input.end = slot.time + slot.interval;
  input.held = Held{std::move(buffer), input.info, slot};
}

FusionStream::Fate FusionStream::use_held(Input& other, Held& partner) {
  Held& held = *other.held;
  partner = held.again();
  held.slot.used = true;
  return Fate::fuse;
}

FusionStream::Fate FusionStream::use_first(Input& other, BufferRef first, const Slot& slot,
                                           const Slot& leading, Held& partner) {
  other.first_used = first.get();
  partner = {std::move(first), other.info, slot};
  if (passed_after(slot, leading)) {
    advance(other, slot);
    if (other.held) other.held->slot.used = true;
  }
  return Fate::fuse;
}

FusionStream::Fate FusionStream::without_next(Input& other, const Slot& leading, Held& partner) {
  const bool usable = other.held && is_usable(other.held->slot, leading, limits(other));
  return usable ? use_held(other, partner) : Fate::missing;
}

FusionStream::Fate FusionStream::find_partner(Input& other, const Slot& leading, bool timeout,
                                              Held& partner) {
  while (BufferRef first = peek(other.pad)) {
    follow_reference(other, first.get());
    Slot slot = slot_of(other, first.get());
    slot.used = first.get() == other.first_used;
    if (is_gap(first.get())) {
      // Until the gap ends there is nothing to wait for.
      if (slot.time + slot.interval > leading.time) return without_next(other, leading, partner);
      first = take_first(other);
      continue;
    }
    switch (pair(other.held ? std::optional(other.held->slot) : std::nullopt, slot, leading)) {
      case Pairing::hold:
        return without_next(other, leading, partner);
      case Pairing::take:
        if (!is_usable(slot, leading, limits(other))) return without_next(other, leading, partner);
        return use_first(other, std::move(first), slot, leading, partner);
      case Pairing::advance:
        advance(other, slot);
    }
  }
  if (gst_aggregator_pad_is_eos(other.pad))
    return other.held && covers(other.held->slot, leading) ? use_held(other, partner) : Fate::ended;
  return timeout ? without_next(other, leading, partner) : Fate::wait;
}

GstFlowReturn FusionStream::infrared_leads(bool timeout) {
  const BufferRef next = peek(infrared_.pad);
  if (!next) {
    const bool ended = gst_aggregator_pad_is_eos(infrared_.pad);
    if (ended && now_.eos_policy == EosPolicy::first) return GST_FLOW_EOS;
    if (!timeout && !ended) return GST_AGGREGATOR_FLOW_NEED_DATA;
    // What is sent while infrared is lost, or after its end, is what visible pictures in the lead would get.
    if (!std::exchange(fell_back_, true)) {
      skip_to_other_lead();
      if (ended && !infrared_.caps) {  // the output's caps waited for its frame rate
        gst_pad_mark_reconfigure(GST_AGGREGATOR_SRC_PAD(element_));
        return GST_AGGREGATOR_FLOW_NEED_DATA;
      }
    }
    return visible_leads(timeout);
  }
  if (!visible_.caps) return GST_AGGREGATOR_FLOW_NEED_DATA;
  if (std::exchange(fell_back_, false)) skip_to_other_lead();
  const Slot slot = slot_of(infrared_, next.get());
  if (is_gap(next.get()) || slot.time < skip_before_) {
    take_first(infrared_);
    return GST_AGGREGATOR_FLOW_NEED_DATA;
  }
  if (const auto flow = not_ready()) return *flow;
  interval_ = slot.interval;
  if (is_late(slot)) return drop_late(infrared_, visible_, slot);
  reference_.leads(next.get(), slot.time);
  Held visible;
  const Fate fate = find_partner(visible_, slot, timeout, visible);
  if (fate == Fate::wait) return GST_AGGREGATOR_FLOW_NEED_DATA;
  if (fate == Fate::ended && now_.eos_policy != EosPolicy::all) return GST_FLOW_EOS;

  BufferRef infrared = take_first(infrared_);
  if (!infrared) return GST_AGGREGATOR_FLOW_NEED_DATA;  // flushed away
  infrared_.end = slot.time + slot.interval;
  infrared_.held = Held{std::move(infrared), infrared_.info, slot};
  infrared_.held->slot.used = true;
  if (fate == Fate::ended) {
    ++dropped_;
    return GST_AGGREGATOR_FLOW_NEED_DATA;
  }
  if (fate == Fate::missing) return led_without_visible(slot);
  times_ = {slot.time, visible.slot.time};
  watch_clocks(visible.slot, slot);
  if (losses_.update(Loss::visible, false, slot.time, now_.visible_loss))
    if (const GstFlowReturn flow = recover(Loss::visible, now_.visible_loss); flow != GST_FLOW_OK)
      return flow;
  if (now_.visible_loss == LossPolicy::freeze) last_visible_.reset(gst_buffer_ref(visible.buffer.get()));
  BufferRef picture = stamped(visible.buffer.get(), slot);
  if (!picture) return GST_AGGREGATOR_FLOW_NEED_DATA;
  if (visible.slot.used) remove_captions(picture.get());  // they were shown once
  sent_until_ = infrared_.end;
  return fuse_pair(std::move(picture),
                   {BufferRef(gst_buffer_ref(infrared_.held->buffer.get())), infrared_.info, slot},
                   slot.time);
}

}  // namespace digfusion
