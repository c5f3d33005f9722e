// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Events in the midst of a stream: flush, seek, segments, caps, gaps; live pipelines; unlinked pads.
#include <gtest/gtest.h>

#include "tests/plugin/rig.h"

namespace digfusion::test {
namespace {

const std::string grey = caps_text("GRAY8", 32, 32);

void push_both(Rig& rig, int value, GstClockTime pts) {
  rig.push_visible({value, pts, 40 * ms});
  rig.push_infrared({value + 100, pts, 40 * ms});
}

void send_segment(GstHarness* harness, GstClockTime start, GstClockTime stop = GST_CLOCK_TIME_NONE,
                  double rate = 1) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.rate = rate;
  segment.start = segment.time = segment.position = start;
  segment.stop = stop;
  EXPECT_TRUE(gst_harness_push_event(harness, gst_event_new_segment(&segment)));
}

TEST(Flush, ForgetsWhatWasBeforeAndGoesOn) {
  Rig rig;
  rig.set_caps(grey, grey);
  push_both(rig, 1, 0);
  EXPECT_EQ(rig.pull().infrared, 101);
  rig.push_visible({2, 40 * ms, 40 * ms});  // waits for its infrared picture, in vain
  const int resets = fake_core_log().resets;
  rig.flush();
  send_segment(rig.visible, 0);
  send_segment(rig.infrared, 0);
  push_both(rig, 7, 0);
  const Fused fused = rig.pull();
  EXPECT_EQ(fused.visible, 7);
  EXPECT_EQ(fused.infrared, 107);
  EXPECT_EQ(fake_core_log().resets, resets + 1);
}

TEST(Flush, WhileTheCoreLoadsDoesNotWaitForIt) {
  const Environment slow("DIGFUSION_FAKE_LOAD_MS", "1500");
  Rig rig;
  rig.set_caps(grey, grey);
  push_both(rig, 1, 0);
  rig.flush();
  send_segment(rig.visible, 0);
  send_segment(rig.infrared, 0);
  EXPECT_EQ(fake_core_log().overlaps, 0);
  push_both(rig, 2, 0);
  EXPECT_EQ(rig.pull().visible, 2);
}

TEST(Seek, IsForwardedToBothStreamsAndTheSegmentFollows) {
  Pipeline p(
      "digfusion name=f ! appsink name=out sync=false "
      "videotestsrc num-buffers=500 ! video/x-raw,format=GRAY8,width=32,height=32,framerate=25/1 ! f.visible "
      "videotestsrc num-buffers=500 ! video/x-raw,format=GRAY8,width=32,height=32,framerate=25/1 ! "
      "f.infrared");
  GstAppSink* out = p.sink("out");
  gst_element_set_state(p.pipeline, GST_STATE_PAUSED);
  ASSERT_EQ(gst_element_get_state(p.pipeline, nullptr, nullptr, 10 * GST_SECOND), GST_STATE_CHANGE_SUCCESS);
  for (const GstClockTime target : {4 * GST_SECOND, 1 * GST_SECOND}) {
    ASSERT_TRUE(gst_element_seek(p.pipeline, 1, GST_FORMAT_TIME,
                                 static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE),
                                 GST_SEEK_TYPE_SET, target, GST_SEEK_TYPE_SET, target + 2 * GST_SECOND));
    ASSERT_EQ(gst_element_get_state(p.pipeline, nullptr, nullptr, 10 * GST_SECOND), GST_STATE_CHANGE_SUCCESS);
    GstSample* sample = gst_app_sink_try_pull_preroll(out, 10 * GST_SECOND);
    ASSERT_TRUE(sample);
    const GstSegment* segment = gst_sample_get_segment(sample);
    EXPECT_EQ(GST_BUFFER_PTS(gst_sample_get_buffer(sample)), target);
    EXPECT_EQ(segment->start, target);
    EXPECT_EQ(gst_segment_to_running_time(segment, GST_FORMAT_TIME, target), 0u);
    gst_sample_unref(sample);
  }
  gst_element_set_state(p.pipeline, GST_STATE_PLAYING);
  int count = 0;
  while (GstSample* sample = gst_app_sink_try_pull_sample(out, 10 * GST_SECOND)) {
    gst_sample_unref(sample);
    ++count;
  }
  EXPECT_EQ(count, 50);
}

TEST(Segments, PairByRunningTimeNotByTimestamp) {
  Rig rig;
  rig.set_caps(grey, grey);
  send_segment(rig.visible, 100 * GST_SECOND);
  send_segment(rig.infrared, 5 * GST_SECOND);
  for (int i = 0; i < 5; ++i) {
    rig.push_visible({i, 100 * GST_SECOND + i * 40 * ms, 40 * ms});
    rig.push_infrared({100 + i, 5 * GST_SECOND + i * 40 * ms, 40 * ms});
    const Fused fused = rig.pull();
    EXPECT_EQ(fused.pts, 100 * GST_SECOND + i * 40 * ms);
    EXPECT_EQ(fused.infrared, 100 + i);
  }
  GstEvent* event = gst_pad_get_sticky_event(rig.visible->sinkpad, GST_EVENT_SEGMENT, 0);
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(event, &segment);
  EXPECT_EQ(segment->start, 100 * GST_SECOND);
  EXPECT_EQ(segment->time, 100 * GST_SECOND);
  gst_event_unref(event);
}

TEST(Segments, PicturesOutsideAreNotFused) {
  Rig rig;
  rig.set_caps(grey, grey);
  send_segment(rig.visible, GST_SECOND);
  send_segment(rig.infrared, GST_SECOND);
  push_both(rig, 1, 0);
  push_both(rig, 2, GST_SECOND);
  EXPECT_EQ(rig.pull().visible, 2);
}

TEST(Segments, ThatAreNotInTimeAreAnError) {
  Rig rig;
  rig.set_caps(grey, grey);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_BYTES);
  gst_harness_push_event(rig.visible, gst_event_new_segment(&segment));
  GstMessage* message = rig.wait_message(GST_MESSAGE_ERROR);
  ASSERT_TRUE(message);
  EXPECT_NE(text_of(message).find("bytes"), std::string::npos) << text_of(message);
  gst_message_unref(message);
}

TEST(Segments, OfAnotherRatePairByRunningTime) {
  Rig rig;
  rig.set_caps(grey, grey);
  send_segment(rig.visible, 0, GST_CLOCK_TIME_NONE, 2);
  send_segment(rig.infrared, 0);
  for (int i = 0; i < 5; ++i) {
    rig.push_infrared({100 + i, i * 20 * ms, 20 * ms});
    rig.push_visible({i, i * 40 * ms, 40 * ms});
    const Fused fused = rig.pull();
    EXPECT_EQ(fused.pts, i * 40 * ms);
    EXPECT_EQ(fused.infrared, 100 + i);
  }
}

TEST(Segments, ThatPlayBackwardsAreAnError) {
  Rig rig;
  rig.set_caps(grey, grey);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.rate = -1;
  segment.stop = GST_SECOND;
  gst_harness_push_event(rig.visible, gst_event_new_segment(&segment));
  GstMessage* message = rig.wait_message(GST_MESSAGE_ERROR);
  ASSERT_TRUE(message);
  EXPECT_NE(text_of(message).find("backwards"), std::string::npos) << text_of(message);
  gst_message_unref(message);
}

/// The names of the events at the output since the last call.
std::string events_of(Rig& rig) {
  std::string names;
  while (GstEvent* event = gst_harness_try_pull_event(rig.visible)) {
    const GstStructure* structure = gst_event_get_structure(event);
    const bool is_custom = GST_EVENT_TYPE(event) == GST_EVENT_CUSTOM_DOWNSTREAM;
    names += (names.empty() ? "" : " ") +
             std::string(is_custom ? gst_structure_get_name(structure) : GST_EVENT_TYPE_NAME(event));
    gst_event_unref(event);
  }
  return names;
}

/// What came before it is out of the way then.
void send_first_picture(Rig& rig) {
  rig.set_caps(grey, grey);
  push_both(rig, 1, 0);
  rig.pull();
  events_of(rig);
}

GstEvent* custom(const char* name) {
  return gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty(name));
}

TEST(Segments, ComeBeforeTheEventsThatFollowThem) {
  Rig rig;
  rig.set_caps(grey, grey);
  gst_harness_push_event(rig.visible, custom("first"));
  push_both(rig, 1, 0);
  rig.pull();
  EXPECT_EQ(events_of(rig), "stream-start caps segment first");
  send_segment(rig.visible, 10 * GST_SECOND);
  gst_harness_push_event(rig.visible, custom("second"));
  gst_harness_push_event(rig.visible, gst_event_new_gap(10 * GST_SECOND, 40 * ms));
  send_segment(rig.infrared, 10 * GST_SECOND);
  push_both(rig, 2, 10 * GST_SECOND + 40 * ms);
  EXPECT_EQ(rig.pull().visible, 2);
  EXPECT_EQ(events_of(rig), "segment second gap segment") << "the last one is GstAggregator's";
  // With the segment gone they needn't wait for a picture.
  gst_harness_push_event(rig.visible, custom("third"));
  gst_harness_push_event(rig.visible, gst_event_new_gap(10 * GST_SECOND + 80 * ms, 40 * ms));
  push_both(rig, 3, 10 * GST_SECOND + 120 * ms);
  rig.pull();
  EXPECT_EQ(events_of(rig), "third gap");
}

TEST(Segments, ThatBeginWithGapsAreToldOfThem) {
  Rig rig;
  send_first_picture(rig);
  rig.push_infrared({102, 14 * GST_SECOND, 40 * ms});
  send_segment(rig.visible, 10 * GST_SECOND);
  gst_harness_push_event(rig.visible, custom("first"));
  for (int n = 0; n < 3; ++n)
    gst_harness_push_event(rig.visible, gst_event_new_gap((10 + n) * GST_SECOND, GST_SECOND));
  std::string seen;
  for (int n = 0; n < 500 && seen != "segment first gap gap gap"; ++n, g_usleep(10'000))
    if (const std::string more = events_of(rig); !more.empty()) seen += (seen.empty() ? "" : " ") + more;
  EXPECT_EQ(seen, "segment first gap gap gap") << "before any picture";
  GstEvent* event = gst_pad_get_sticky_event(rig.visible->sinkpad, GST_EVENT_SEGMENT, 0);
  ASSERT_TRUE(event);
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(event, &segment);
  EXPECT_EQ(segment->start, 10 * GST_SECOND);
  gst_event_unref(event);
}

TEST(Flush, DropsTheEventsThatWaitedForAPictureBeforeIt) {
  Rig rig;
  send_first_picture(rig);
  send_segment(rig.visible, 10 * GST_SECOND);
  gst_harness_push_event(rig.visible, custom("old"));
  gst_harness_push_event(rig.visible, gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "night", nullptr)));
  g_usleep(
      200'000);  // until the streaming thread has them; those still in the queue are GstAggregator's to drop
  rig.flush();
  send_segment(rig.visible, 0);
  send_segment(rig.infrared, 0);
  gst_harness_push_event(rig.visible, custom("new"));
  push_both(rig, 2, 0);
  EXPECT_EQ(rig.pull().visible, 2);
  EXPECT_EQ(events_of(rig), "flush-start flush-stop segment tag new");
}

TEST(Eos, ComesAfterTheEventsThatWaitForAPicture) {
  Rig rig;
  send_first_picture(rig);
  send_segment(rig.visible, 10 * GST_SECOND);
  gst_harness_push_event(rig.visible, custom("last"));
  for (GstHarness* harness : {rig.visible, rig.infrared})
    gst_harness_push_event(harness, gst_event_new_eos());
  std::string seen;
  for (int n = 0; n < 500 && !seen.ends_with("eos"); ++n, g_usleep(10'000))
    if (const std::string more = events_of(rig); !more.empty()) seen += (seen.empty() ? "" : " ") + more;
  EXPECT_TRUE(seen.starts_with("segment last ") && seen.ends_with("eos")) << seen;
}

TEST(Seek, BackwardsIsRefused) {
  Pipeline p(
      "digfusion name=f ! fakesink "
      "videotestsrc ! video/x-raw,format=GRAY8,width=32,height=32 ! f.visible "
      "videotestsrc ! video/x-raw,format=GRAY8,width=32,height=32 ! f.infrared");
  gst_element_set_state(p.pipeline, GST_STATE_PAUSED);
  ASSERT_EQ(gst_element_get_state(p.pipeline, nullptr, nullptr, 10 * GST_SECOND), GST_STATE_CHANGE_SUCCESS);
  EXPECT_FALSE(gst_element_seek(p.pipeline, -1, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0,
                                GST_SEEK_TYPE_SET, GST_SECOND));
}

TEST(CapsChange, OfTheVisibleStreamChangesTheOutput) {
  Rig rig;
  rig.set_caps(grey, grey);
  push_both(rig, 1, 0);
  EXPECT_EQ(rig.pull().infrared, 101);
  const int resets = fake_core_log().resets;
  rig.set_caps(caps_text("I420", 64, 48), "");
  push_both(rig, 2, 40 * ms);
  const Fused fused = rig.pull();
  EXPECT_EQ(fused.visible, 2);
  EXPECT_EQ(fused.infrared, 102);
  GstCaps* caps = gst_pad_get_current_caps(rig.visible->sinkpad);
  int width = 0;
  gst_structure_get_int(gst_caps_get_structure(caps, 0), "width", &width);
  EXPECT_EQ(width, 64);
  gst_caps_unref(caps);
  EXPECT_EQ(fake_core_log().resets, resets + 1);
}

TEST(CapsChange, OfTheInfraredStreamIsFollowed) {
  Rig rig;
  rig.set_caps(grey, caps_text("GRAY8", 32, 32, 5));
  rig.push_visible({1, 0, 40 * ms});
  rig.push_infrared({101, 0, 200 * ms});
  EXPECT_EQ(rig.pull().infrared, 101);
  rig.set_caps("", caps_text("P010_10LE", 80, 60, 25));
  // The picture in hand is still of the old caps, and the nearest to the first of these.
  for (int i = 1; i < 6; ++i)
    rig.push_visible({1 + i, i * 40 * ms, 40 * ms}),
        i == 2 ? rig.push_infrared({102, 200 * ms, 40 * ms}) : void();
  const int expected[] = {101, 101, 102, 102, 102};
  for (const int value : expected) EXPECT_EQ(rig.pull().infrared, value);
}

TEST(Gap, InTheVisibleStreamGoesOn) {
  Rig rig;
  rig.set_caps(grey, grey);
  push_both(rig, 1, 0);
  rig.pull();
  while (GstEvent* event = gst_harness_try_pull_event(rig.visible)) gst_event_unref(event);
  gst_harness_push_event(rig.visible, gst_event_new_gap(40 * ms, 40 * ms));
  rig.push_infrared({102, 40 * ms, 40 * ms});
  rig.push_visible({3, 80 * ms, 40 * ms});
  rig.push_infrared({103, 80 * ms, 40 * ms});
  EXPECT_EQ(rig.pull().infrared, 103);
  bool gap = false;
  while (GstEvent* event = gst_harness_try_pull_event(rig.visible)) {
    gap |= GST_EVENT_TYPE(event) == GST_EVENT_GAP;
    gst_event_unref(event);
  }
  EXPECT_TRUE(gap);
}

TEST(Gap, InTheInfraredStreamHoldsTheLastPicture) {
  Rig rig;
  rig.set_caps(grey, grey);
  push_both(rig, 1, 0);
  EXPECT_EQ(rig.pull().infrared, 101);
  gst_harness_push_event(rig.infrared, gst_event_new_gap(40 * ms, 80 * ms));
  rig.push_visible({2, 40 * ms, 40 * ms});
  EXPECT_EQ(rig.pull().infrared, 101);
  rig.push_visible({3, 80 * ms, 40 * ms});
  EXPECT_EQ(rig.pull().infrared, 101);
  push_both(rig, 4, 120 * ms);
  EXPECT_EQ(rig.pull().infrared, 104);
}

TEST(Gap, OfSecondsInTheInfraredStreamIsAFailure) {
  Rig rig;
  rig.set_caps(grey, grey);
  push_both(rig, 1, 0);
  rig.pull();
  gst_harness_push_event(rig.infrared, gst_event_new_gap(40 * ms, 10 * GST_SECOND));
  rig.push_visible({2, 5 * GST_SECOND, 40 * ms});
  EXPECT_EQ(rig.pull().infrared, 2);
  GstMessage* message = rig.wait_message(GST_MESSAGE_WARNING);
  ASSERT_TRUE(message);
  gst_message_unref(message);
}

TEST(Tags, OfTheVisibleStreamStandBeforeTheInfraredOnes) {
  Rig rig;
  rig.set_caps(grey, grey);
  gst_harness_push_event(rig.visible, gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "visible", nullptr)));
  gst_harness_push_event(rig.infrared,
                         gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "infrared", nullptr)));
  push_both(rig, 1, 0);
  rig.pull();
  int tags = 0;
  while (GstEvent* event = gst_harness_try_pull_event(rig.visible)) {
    if (GST_EVENT_TYPE(event) == GST_EVENT_TAG) {
      GstTagList* list = nullptr;
      gst_event_parse_tag(event, &list);
      gchar* title = nullptr;
      gst_tag_list_get_string(list, GST_TAG_TITLE, &title);
      EXPECT_STREQ(title, "visible");
      g_free(title);
      ++tags;
    }
    gst_event_unref(event);
  }
  EXPECT_EQ(tags, 1);
}

TEST(Live, TheLatencyHasHalfAnInfraredIntervalOnTop) {
  Rig rig;
  gst_harness_set_live(rig.visible, TRUE);
  gst_harness_set_live(rig.infrared, TRUE);
  gst_harness_set_upstream_latency(rig.visible, 30 * ms);
  gst_harness_set_upstream_latency(rig.infrared, 50 * ms);
  rig.set_caps(grey, caps_text("GRAY8", 32, 32, 10));
  push_both(rig, 1, 0);
  rig.pull();
  GstQuery* query = gst_query_new_latency();
  ASSERT_TRUE(gst_pad_peer_query(rig.visible->sinkpad, query));
  gboolean live = FALSE;
  GstClockTime minimum = 0;
  gst_query_parse_latency(query, &live, &minimum, nullptr);
  EXPECT_TRUE(live);
  EXPECT_EQ(minimum, 100 * ms);
  gst_query_unref(query);
}

/// Live appsrcs on the real clock; `infrared_until`: infrared pictures come for the visible ones before this
/// one.
Result run_live(int count, int infrared_until, const std::string& properties) {
  Result result;
  Pipeline p(
      "digfusion name=f qos=false " + properties +
      " ! appsink name=out sync=false  appsrc name=v is-live=true do-timestamp=true format=time ! f.visible  "
      "appsrc name=i is-live=true do-timestamp=true format=time ! f.infrared");
  GstAppSrc *visible = p.source("v"), *infrared = p.source("i");
  GstCaps* caps = gst_caps_from_string(grey.c_str());
  gst_app_src_set_caps(visible, caps);
  gst_app_src_set_caps(infrared, caps);
  gst_element_set_state(p.pipeline, GST_STATE_PLAYING);
  for (int n = 0; n < count; ++n) {
    if (n < infrared_until)
      gst_app_src_push_buffer(infrared, make_buffer(grey, {100 + n, GST_CLOCK_TIME_NONE, 40 * ms}));
    gst_app_src_push_buffer(visible, make_buffer(grey, {n, GST_CLOCK_TIME_NONE, 40 * ms}));
    g_usleep(40000);
  }
  while (GstSample* sample = gst_app_sink_try_pull_sample(p.sink("out"), 2 * GST_SECOND)) {
    result.frames.push_back(read_fused(gst_sample_get_buffer(sample), caps));
    gst_sample_unref(sample);
  }
  gst_caps_unref(caps);
  while (GstMessage* message = gst_bus_pop(p.bus)) {
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING) result.warnings.push_back(text_of(message));
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR && result.error.empty())
      result.error = text_of(message);
    gst_message_unref(message);
  }
  return result;
}

TEST(Live, VisiblePicturesGoOnWithAWarningWhileNoInfraredComes) {
  const Result result = run_live(10, 0, "max-failures=2");
  EXPECT_EQ(result.error, "") << "the start of a camera is no failure";
  ASSERT_EQ(result.frames.size(), 10u);
  for (int n = 0; n < 10; ++n) EXPECT_EQ(result.frames[n].visible, n);
  EXPECT_GE(result.warnings.size(), 1u);
  EXPECT_LE(result.warnings.size(), 1 + result.frames.back().pts / GST_SECOND) << "at most one a second";
}

TEST(Live, AnInfraredStreamThatStallsIsHeldASecondThenAnError) {
  const Result result = run_live(40, 5, "max-failures=3");
  EXPECT_NE(result.error.find("3 pictures in a row"), std::string::npos) << result.error;
  ASSERT_GE(result.frames.size(), 10u);
  const GstClockTime last = result.frames[4].pts;  // when the last infrared picture came, or nearly so
  for (const Fused& fused : result.frames)
    if (fused.pts > last + 200 * ms && fused.pts < last + 900 * ms) {
      EXPECT_EQ(fused.infrared, 104);
    }
  EXPECT_GT(result.frames.back().pts, last + 900 * ms);
}

TEST(UnlinkedInfrared, IsAnErrorAfterAWhile) {
  const Pipeline p(
      "videotestsrc ! video/x-raw,format=GRAY8,width=32,height=32 ! f.visible digfusion name=f ! fakesink");
  gst_element_set_state(p.pipeline, GST_STATE_PLAYING);
  GstMessage* message = gst_bus_timed_pop_filtered(p.bus, 20 * GST_SECOND, GST_MESSAGE_ERROR);
  ASSERT_TRUE(message);
  EXPECT_NE(text_of(message).find("\"infrared\""), std::string::npos) << text_of(message);
  gst_message_unref(message);
}

}  // namespace
}  // namespace digfusion::test
