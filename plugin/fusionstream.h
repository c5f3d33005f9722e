// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The streaming thread's part of the element: takes pictures from the two sink pads, pairs them, has them
// fused and sends them on. What it does is in fusionstream.cpp (streams, caps, steps), fusionpairing.cpp,
// fusiontimes.cpp, fusionlosses.cpp, fusionflight.cpp, fusionoutput.cpp and fusionview.cpp.
#pragma once

#include <gst/base/gstaggregator.h>
#include <gst/video/video.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "plugin/bufferref.h"
#include "plugin/clock.h"
#include "plugin/computetime.h"
#include "plugin/frozenwatch.h"
#include "plugin/gpumemory.h"
#include "plugin/inflight.h"
#include "plugin/infraredplace.h"
#include "plugin/ladder.h"
#include "plugin/lateness.h"
#include "plugin/losses.h"
#include "plugin/outputshape.h"
#include "plugin/pairing.h"
#include "plugin/picturemeta.h"
#include "plugin/properties.h"
#include "plugin/referencetime.h"
#include "plugin/refinedplace.h"
#include "plugin/session.h"
#include "plugin/settings.h"
#include "plugin/tags.h"

namespace digfusion {

/// A copy of the pad's present segment.
GstSegment segment_of(GstAggregatorPad* pad);

/// Every method is for the streaming thread, but flush_started(), flush_stopped(), told_lateness(),
/// navigate() and counts(), which are for any, and start() and stop(), which are for state changes while
/// there is no streaming thread.
class FusionStream {
 public:
  /// Borrows everything; all of it lives as long as the element.
  FusionStream(GstAggregator* element, GstAggregatorPad* visible, GstAggregatorPad* infrared,
               Settings& settings, Session& session, GpuMemory& gpu);

  void start();
  void stop();

  /// Caps of a sink pad, in the order of its buffers. False when they are no video that can be fused.
  bool set_caps(GstAggregatorPad* pad, GstCaps* caps);
  /// The visible stream's caps, with the frame rate of the stream that leads, or null before they are known.
  /// The caller owns them.
  GstCaps* output_caps() const;
  /// Makes the output's caps of these as the view asks for. What can't be is an element error.
  GstFlowReturn shape_output(GstCaps*& caps);
  bool decide_allocation(GstQuery* query);
  GstBuffer* clip(GstAggregatorPad* pad, GstBuffer* buffer) const;

  /// The output has another segment, which GstAggregator sends with the next picture.
  void segment_changed() { segment_waits_ = true; }
  /// Sends an event of the visible stream downstream, in order with the pictures. Takes the event.
  void forward(GstEvent* event);

  /// Tags of a sink pad's stream; see tags.h. Takes the event.
  void take_tags(GstAggregatorPad* pad, GstEvent* event);
  void forget_tags(GstAggregatorPad* pad);

  /// One picture goes downstream at most; more where the core overlaps them and the next pair waits already.
  /// No pair is in flight when it returns, so events, caps and waiting never meet one. `timeout`: in a live
  /// pipeline, no more waiting.
  GstFlowReturn aggregate(bool timeout);

  /// Downstream's QoS event. Any thread.
  void told_lateness(GstEvent* event);
  /// A navigation event of downstream, sent on upstream. Takes it. Any thread.
  bool navigate(GstEvent* event);
  void flush_started();
  /// `visible`: of that pad.
  void flush_stopped(bool visible);
  /// When the next picture is due.
  GstClockTime next_time() const;
  StreamCounts counts() const;
  /// What registration-refine has found, added to the statistics. Any thread.
  void tell_refined(GstStructure* stats) const { refined_.tell(stats); }

 private:
  struct Input {
    GstAggregatorPad* pad = nullptr;
    GstCaps* caps = nullptr;  ///< owned
    GstVideoInfo info;
    std::int64_t end = 0;    ///< running time where the last picture with a timestamp ended
    std::int64_t shift = 0;  ///< added to running times, by pair-by
    RateEstimate rate;
    std::optional<Held> held;  ///< the picture that left the queue last
    GstBuffer* first_used =
        nullptr;  ///< the queue's first, when it has been fused; compared only, never read
  };
  struct Pace {
    bool climbs = false;  ///< whether ladder_ decides
    Preset wanted{}, floor{};
    bool operator==(const Pace&) const = default;
  };
  /// What becomes of a picture of the leading stream.
  enum class Fate {
    fuse,     ///< with the picture of the other stream that was found
    wait,     ///< for more of the other stream
    missing,  ///< there should be a picture, but there is none near enough
    ended     ///< the other stream has ended
  };

  Slot slot_of(const Input& input, GstBuffer* buffer) const;
  /// Finds the picture of the other stream for one of the leading stream; see pairing.h.
  Fate find_partner(Input& other, const Slot& leading, bool timeout, Held& partner);
  Fate use_held(Input& other, Held& partner);
  Fate use_first(Input& other, BufferRef first, const Slot& slot, const Slot& leading, Held& partner);
  Fate without_next(Input& other, const Slot& leading, Held& partner);
  Limits limits(const Input& other) const;
  /// Shifts the other stream's times as the reference clock says, where pair-by asks for it.
  void follow_reference(Input& other, GstBuffer* buffer);
  static void forget_queue(Input& input);
  /// The stream that leads is another one than before.
  void change_lead();
  /// While infrared leads: visible pictures take its place, or give it back.
  void skip_to_other_lead();
  /// One step: a pair is begun, or something is sent, after what is in flight.
  GstFlowReturn step(bool timeout);
  /// The same with either stream in the lead.
  GstFlowReturn visible_leads(bool timeout);
  GstFlowReturn infrared_leads(bool timeout);
  /// Whether the core can be called; else what aggregate() returns.
  std::optional<GstFlowReturn> not_ready();
  /// Keeps what the times of a pair tell of the clocks.
  void watch_clocks(const Slot& visible, const Slot& infrared);
  /// What the latency query is answered with: how long an infrared picture is waited for, and how long the
  /// computing takes.
  void update_latency();
  bool is_late(const Slot& leading);
  /// Drops the leading stream's first picture.
  GstFlowReturn drop_late(Input& leading, Input& other, const Slot& slot);
  /// Takes the first buffer out of the queue, if there is one.
  static BufferRef take_first(Input& input);
  /// Takes the first picture out of the queue and into hand.
  void advance(Input& input, const Slot& slot);

  /// Whether infrared pictures lead when the visible stream pauses.
  bool can_lead() const;
  /// The visible stream has paused too long: one step with the infrared stream alone.
  GstFlowReturn without_visible();
  /// The same, of the infrared picture in hand, where infrared pictures lead anyway.
  GstFlowReturn led_without_visible(const Slot& slot);
  GstFlowReturn visible_is_lost();
  /// A copy of the picture (of the same memory) in the visible segment, at that time; null when the segment
  /// ends before it.
  BufferRef stamped(GstBuffer* picture, const Slot& slot) const;
  /// What the policy asks for in the place of the picture that the infrared one in hand would have gone into.
  GstFlowReturn send_infrared_led(LossPolicy policy);
  /// A raw infrared picture as it would be fused, in the visible caps; null where the core can't.
  BufferRef read_by_core(const Held& infrared);
  GstFlowReturn without_infrared(BufferRef visible, const Slot& slot);
  /// Whether the infrared picture is one that stands still beside a moving visible one.
  bool is_frozen(GstBuffer* visible, const Held& infrared, std::int64_t time);
  GstFlowReturn with_frozen_infrared(BufferRef visible, const Held& infrared);
  /// A stream is back: the next pictures are faded in.
  GstFlowReturn recover(Loss which, LossPolicy policy);
  GstFlowReturn visible_ended();
  GstFlowReturn send_gap();
  GstFlowReturn fuse_pair(BufferRef visible, const Held& infrared, std::int64_t time);
  /// Begins the pair, and sends the oldest one where the core has as many in flight as it takes.
  GstFlowReturn fuse_and_send(BufferRef visible, const Held& infrared);
  /// Takes up what has changed since the last pair, while none is in flight. A picture for which that fails
  /// goes unfused, and is null then.
  GstFlowReturn follow_changes(BufferRef& visible);
  /// Maps the pair's pictures and has the core begin.
  Status begin(InFlight& pair);
  /// Whether a step would find both pictures of another pair at once, without what comes between pictures.
  bool is_next_at_hand() const;
  /// Waits for the pair that was begun first, and sends what has become of it.
  GstFlowReturn finish_oldest();
  /// The same for all; to be called before anything that isn't a pair like them is sent or set.
  GstFlowReturn finish_all();
  GstFlowReturn send_finished(InFlight& pair);
  /// Sends nothing of what is in flight.
  void drop_in_flight();
  /// Nanoseconds of a clock that stands still while downstream has a picture.
  std::int64_t own_time() const;
  /// Whether the core has what is set.
  bool is_configured() const;
  Pace pace_wanted() const;
  /// Takes up what was set since the last picture; returns the preset that is in time.
  Preset follow_settings();
  Parameters wanted_with(Preset preset) const;
  /// Gives the core what follow_settings() found; while nothing is in flight.
  Status configure_changes();
  /// Takes up another preset where a picture that cost `time` asks for it. One that was begun with another
  /// preset than the present one says nothing of that.
  void keep_pace(Preset preset, std::int64_t time, std::int64_t interval);
  void tell_preset();
  /// `wait`: until the pool has one; else null where it has none.
  GstFlowReturn new_output(GstBuffer* visible, BufferRef& output, bool wait = true);
  /// Copies a picture of the output's size and format into memory of the kind that is negotiated downstream.
  GstFlowReturn to_output(GstBuffer* picture, BufferRef& output);
  /// Replaces the picture by such a copy where it isn't in that memory.
  GstFlowReturn into_output_memory(BufferRef& picture);
  GstFlowReturn fail(BufferRef visible, const Status& status);
  GstFlowReturn pass_through(BufferRef visible);
  GstFlowReturn send_wide(BufferRef visible);
  /// Negotiates anew where these parameters' view needs other caps; before a picture that is made with them.
  GstFlowReturn follow_view(const Parameters& parameters);
  /// A picture of the visible caps in the output's: itself, or on the left (a visible one) or the right of a
  /// black one. Null when it can't be mapped.
  BufferRef in_output_caps(BufferRef picture, bool is_visible) const;
  /// A black picture with the metadata of `like`, if given. Where there is none, the flow says why.
  GstFlowReturn blank(GstBuffer* like, BufferRef& picture);
  GstFlowReturn send_blank(GstBuffer* like);
  /// Lays what was sent while a stream was lost over the fused picture, weaker with each. Not where the flow
  /// says that nothing can be sent.
  GstFlowReturn fade_in(GstBuffer* fused, GstBuffer* visible, const Held& infrared);
  /// What waited for stream start, caps and segment to go. GstAggregator sends the segment with the picture,
  /// so this is called between the two.
  void send_pending();
  /// Where they wait for a new segment alone, sends that and them without a picture.
  void send_pending_with_segment();
  void drop_flushed();
  /// `making` is for Sent::fused.
  GstFlowReturn send(BufferRef buffer, Sent sent, const Making* making = nullptr);
  /// What is told of the picture with this infrared one, but for the core's report.
  Making making_of(const Held& infrared) const;
  void warn(const char* reason);
  void forget();

  GstAggregator* element_;
  Settings& settings_;
  Session& session_;
  GpuMemory& gpu_;
  StreamSettings now_;  ///< the settings of this step
  Input visible_, infrared_;
  Lead lead_ = Lead::visible;  ///< as it was with the last picture
  ReferenceTime reference_;
  bool told_no_reference_ = false;
  bool fell_back_ = false;  ///< lead_ is infrared, but what was done last was for a visible picture
  std::int64_t sent_until_ = INT64_MIN;   ///< running time where the last picture that was sent ended
  std::int64_t skip_before_ = INT64_MIN;  ///< the other stream led until then
  BufferRef last_visible_;                ///< where it may have to stand in
  BufferRef black_;                       ///< for the output's caps, once it has been wanted
  OutputShape shape_;
  int negotiated_across_ = 1;  ///< of the last caps
  GstVideoInfo output_info_;
  struct {
    std::int64_t leading = 0, visible = 0;  ///< running times of the pictures in hand
  } times_;
  InfraredPlace place_;  ///< of the last picture that was fused
  Tags tags_;
  Losses losses_;
  RefinedPlace refined_;
  FrozenWatch frozen_;
  std::optional<std::int64_t> looked_on_device_;  ///< by frozen_, when infrared last was in CUDA memory
  struct {
    unsigned left = 0, of = 0;  ///< pictures
    Loss which = Loss::infrared;
    LossPolicy policy = LossPolicy::pass;
  } fade_;
  /// Begun and not finished, the oldest first. Those that were configured, negotiated and faded alike: what
  /// changes any of it, or sends something else, is for when there are none.
  std::deque<std::unique_ptr<InFlight>> in_flight_;
  Moment finished_;              ///< when the last was
  std::int64_t downstream_ = 0;  ///< for how long downstream has had pictures since the start, nanoseconds
  OffsetEstimate offset_;
  ComputeTime compute_time_;
  Lateness lateness_;
  Ladder ladder_;
  Parameters wanted_;                           ///< as set; the core's may be those of another preset
  bool unconfigured_ = false;                   ///< wanted_ has changed, and the core doesn't know
  Pace pace_;                                   ///< what ladder_ was started with
  GstClockTime latency_ = GST_CLOCK_TIME_NONE;  ///< that was told last
  std::int64_t interval_ = 0;                   ///< of the visible picture in hand
  bool is_timed_ = false;        ///< whether pictures can be late: live, or downstream has said so
  bool dropped_before_ = false;  ///< a late picture, since the last one that was sent

  struct Told {
    std::int64_t time, difference;
  };
  std::mutex told_mutex_;     ///< a leaf; guards told_
  std::optional<Told> told_;  ///< what downstream last said, until the streaming thread reads it

  std::vector<GstEvent*> pending_;  ///< owned; to be sent before the next picture
  bool segment_waits_ = false;      ///< for the next picture to go downstream
  bool downstream_video_meta_ = false;
  bool output_on_device_ = false;              ///< pictures are sent in CUDA memory
  bool sent_ = false;                          ///< something since the start or the last flush
  bool had_infrared_ = false;                  ///< since the start
  bool told_infrared_end_ = false;             ///< since the start or the last flush
  std::optional<std::int64_t> first_visible_;  ///< running time, while no infrared picture has come
  unsigned failures_in_row_ = 0;
  std::int64_t last_warning_ = 0;  ///< monotonic microseconds; 0: none yet
  unsigned unwarned_ = 0;          ///< failures since then

  std::atomic<bool> forget_{false};
  std::atomic<bool> flushed_{false};  ///< what is in pending_ is from before a flush
  std::atomic<guint64> frames_{0}, dropped_{0}, passed_through_{0}, failures_{0}, blanked_{0}, late_{0};
  std::atomic<Preset> preset_in_use_{Preset::realtime};
  std::atomic<double> offset_ms_, drift_ppm_;  ///< NaN: not known
};

}  // namespace digfusion
