// SPDX-License-Identifier: LGPL-2.1-or-later
//
// FusionStream: pairs that the core has begun and not finished. No picture waits for another one's coming: a
// pair is finished and sent at once unless the next one waits already, so cameras that come in time aren't
// delayed, and a file, or a stream that is behind, has one pair's transfers beside the other's computing.
#include <algorithm>
#include <string>
#include <utility>

#include "plugin/fusionstream.h"
#include "plugin/messages.h"
#include "plugin/regions.h"

#define GST_CAT_DEFAULT digfusion_debug

namespace digfusion {
namespace {

/// A wait for the core that is shorter says nothing: as long may take what the core does beside waiting. What
/// is missed by that is a GPU that is slower than downstream by less, where a cheaper preset would gain no
/// more.
constexpr std::int64_t real_wait = 1'000'000;  // nanoseconds

std::int64_t monotonic() { return g_get_monotonic_time() * 1000; }

/// Whether the pad's queue has a picture. One that upstream is just putting there counts: by default the
/// queues hold a single picture, and the thread that waited with the next one has been woken, no more, when
/// the first was taken out. That thread has the pad's stream lock; who is far away from here hasn't.
bool has_picture(GstAggregatorPad* pad) {
  constexpr gint64 longest_handing_over = 1000, look_again = 20;  // microseconds
  const gint64 until = g_get_monotonic_time() + longest_handing_over;
  while (!peek(pad)) {
    if (GST_PAD_STREAM_TRYLOCK(pad)) {
      GST_PAD_STREAM_UNLOCK(pad);
      return peek(pad) != nullptr;
    }
    if (g_get_monotonic_time() >= until) return false;
    g_usleep(look_again);
  }
  return true;
}

}  // namespace

GstFlowReturn FusionStream::aggregate(bool timeout) {
  try {
    GstFlowReturn flow = step(timeout);
    while (!in_flight_.empty()) {
      const bool goes_on = flow == GST_FLOW_OK || flow == GST_AGGREGATOR_FLOW_NEED_DATA;
      if (goes_on && is_next_at_hand()) {
        flow = step(false);
      } else if (goes_on || flow == GST_FLOW_EOS) {
        if (const GstFlowReturn last = finish_all(); last != GST_FLOW_OK) flow = last;
      } else {
        drop_in_flight();
      }
    }
    // With no picture since the start or a flush they are lost: GstAggregator alone can send what has to go
    // before them.
    if (flow == GST_FLOW_EOS && !pending_.empty()) send_pending_with_segment();
    return flow;
  } catch (...) {
    drop_in_flight();
    throw;
  }
}

bool FusionStream::is_next_at_hand() const {
  GstPad* const out = GST_AGGREGATOR_SRC_PAD(element_);
  // What GstAggregator sees to between two calls.
  if (forget_ || !gst_pad_is_active(out) || GST_PAD_IS_FLUSHING(out) || GST_PAD_NEEDS_RECONFIGURE(out))
    return false;
  if (settings_.stream().lead != lead_) return false;
  const Input &leading = lead_ == Lead::visible ? visible_ : infrared_,
              &other = lead_ == Lead::visible ? infrared_ : visible_;
  if (!has_picture(leading.pad)) return false;
  if (const BufferRef next = peek(leading.pad); !next || is_gap(next.get())) return false;
  return gst_aggregator_pad_is_eos(other.pad) || has_picture(other.pad);
}

Status FusionStream::begin(InFlight& pair) {
  const auto refused = [](const char* which) {
    return failure(ErrorCode::invalid_argument, (std::string("the memory of the ") + which +
                                                 " picture can't be mapped, or is smaller than its caps say")
                                                    .c_str());
  };
  const Held& infrared = pair.infrared;
  CorePicture& visible_picture =
      pair.visible_picture.emplace(gpu_, visible_.info, pair.visible.get(), CorePicture::Use::read);
  if (!visible_picture.mapped()) return refused("visible");
  CorePicture& infrared_picture =
      pair.infrared_picture.emplace(gpu_, infrared.info, infrared.buffer.get(), CorePicture::Use::read);
  if (!infrared_picture.mapped()) return refused("infrared");
  CorePicture& output_picture =
      pair.output_picture.emplace(gpu_, output_info_, pair.output.get(), CorePicture::Use::write);
  if (!output_picture.mapped()) return refused("output");
  const Image sources[] = {visible_picture.image(), infrared_picture.image()};
  return session_.begin(sources, std::size(sources), output_picture.image());
}

GstFlowReturn FusionStream::fuse_and_send(BufferRef visible, const Held& infrared) {
  const GstSegment segment = segment_of(visible_.pad);
  const GstClockTime time =
      gst_segment_to_stream_time(&segment, GST_FORMAT_TIME, GST_BUFFER_PTS(visible.get()));
  if (GST_CLOCK_TIME_IS_VALID(time)) gst_object_sync_values(GST_OBJECT(element_), time);

  const bool goes_on = !GST_BUFFER_IS_DISCONT(visible.get());
  if (!in_flight_.empty() && (!goes_on || !is_configured()))
    if (const GstFlowReturn flow = finish_all(); flow != GST_FLOW_OK) return flow;
  if (in_flight_.empty())
    if (const GstFlowReturn flow = follow_changes(visible); flow != GST_FLOW_OK || !visible) return flow;
  auto pair = std::make_unique<InFlight>();
  GstFlowReturn flow = new_output(visible.get(), pair->output, in_flight_.empty());
  if (flow == GST_FLOW_OK && !pair->output) {
    // Downstream may give one back only when it has got another.
    flow = finish_all();
    // Of those one may have failed, and been sent with what is set now.
    if (flow == GST_FLOW_OK) flow = follow_changes(visible);
    if (flow != GST_FLOW_OK || !visible) return flow;
    flow = new_output(visible.get(), pair->output);
  }
  if (flow != GST_FLOW_OK) return flow;
  pair->visible = std::move(visible);
  pair->infrared = infrared.again();
  pair->making = making_of(infrared);
  pair->interval = interval_;
  pair->preset = preset_in_use_;
  pair->begun = {own_time(), monotonic()};
  if (const Status status = begin(*pair); !status.ok()) {
    pair->unmap();
    pair->output.reset();
    if (compute_time_.add(own_time() - pair->begun.own)) update_latency();
    flow = finish_all();
    return flow == GST_FLOW_OK ? fail(std::move(pair->visible), status) : flow;
  }
  pair->dropped_before = std::exchange(dropped_before_, false);
  in_flight_.push_back(std::move(pair));
  // A picture that fades in takes another output buffer for what is laid over it.
  const int most = fade_.left > 0 ? 1 : session_.frames_in_flight();
  return static_cast<int>(in_flight_.size()) < most ? GST_FLOW_OK : finish_oldest();
}

GstFlowReturn FusionStream::follow_changes(BufferRef& visible) {
  if (const Status status = configure_changes(); !status.ok()) return fail(std::move(visible), status);
  if (GST_BUFFER_IS_DISCONT(visible.get()) && sent_) session_.reset();
  return follow_view(wanted_);
}

GstFlowReturn FusionStream::finish_oldest() {
  const std::unique_ptr<InFlight> pair = std::move(in_flight_.front());
  in_flight_.pop_front();
  const std::int64_t asked = monotonic();
  const Status status = session_.finish();
  const bool waited = monotonic() - asked >= real_wait;
  pair->unmap();
  const Moment now = {own_time(), monotonic()}, before = std::exchange(finished_, now);
  // What the pair has cost, and has to fit between two pictures, is without what the one before took, and
  // without downstream's time. But where the core had to be waited for after that, it has worked on this pair
  // throughout.
  const std::int64_t cost = waited ? now.wall - std::max(pair->begun.wall, before.wall)
                                   : now.own - std::max(pair->begun.own, before.own);
  // What is promised as latency is the time from the pair's beginning.
  const std::int64_t taken = std::max(now.own - pair->begun.own, cost);
  GST_LOG_OBJECT(element_, "computed in %" GST_TIME_FORMAT, GST_TIME_ARGS(taken));
  if (compute_time_.add(taken)) update_latency();
  const bool dropped_after = std::exchange(dropped_before_, pair->dropped_before);
  GstFlowReturn flow;
  if (status.ok()) {
    keep_pace(pair->preset, cost, pair->interval);
    flow = send_finished(*pair);
  } else {
    pair->output.reset();
    flow = fail(std::move(pair->visible), status);
  }
  dropped_before_ = dropped_after;
  return flow;
}

GstFlowReturn FusionStream::finish_all() {
  GstFlowReturn flow = GST_FLOW_OK;
  while (flow == GST_FLOW_OK && !in_flight_.empty()) flow = finish_oldest();
  return flow;
}

GstFlowReturn FusionStream::send_finished(InFlight& pair) {
  failures_in_row_ = 0;
  if (const GstFlowReturn flow = fade_in(pair.output.get(), pair.visible.get(), pair.infrared);
      flow != GST_FLOW_OK)
    return flow;
  pair.making.report = session_.report();
  refined_.update(pair.making.report);
  place_.update(wanted_, visible_.info, pair.infrared.info, pair.making.report);
  if (const auto map = place_.map()) map_regions(pair.infrared.buffer.get(), *map, pair.output.get());
  return send(std::move(pair.output), Sent::fused, &pair.making);
}

void FusionStream::drop_in_flight() {
  while (!in_flight_.empty()) {
    (void)session_.finish();
    in_flight_.pop_front();
  }
}

std::int64_t FusionStream::own_time() const { return monotonic() - downstream_; }

}  // namespace digfusion
