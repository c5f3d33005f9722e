// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Live pipelines: what is promised as latency, and what happens to pictures that come too late.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "tests/plugin/rig.h"

namespace digfusion::test {
namespace {

const std::string grey = caps_text("GRAY8", 32, 32);

GstClockTime latency_of(Rig& rig) {
  GstQuery* query = gst_query_new_latency();
  EXPECT_TRUE(gst_pad_peer_query(rig.visible->sinkpad, query));
  gboolean live = FALSE;
  GstClockTime minimum = 0;
  gst_query_parse_latency(query, &live, &minimum, nullptr);
  EXPECT_TRUE(live);
  gst_query_unref(query);
  return minimum;
}

void make_live(Rig& rig) {
  gst_harness_set_live(rig.visible, TRUE);
  gst_harness_set_live(rig.infrared, TRUE);
  rig.set_caps(grey, grey);
}

void push_both(Rig& rig, int value, GstClockTime pts) {
  rig.push_infrared({value + 100, pts, 40 * ms});
  rig.push_visible({value, pts, 40 * ms});
}

TEST(Latency, IsAFrameAndWhatComputingHasTaken) {
  const Environment slow("DIGFUSION_FAKE_FUSE_MS", "30");
  Rig rig;
  make_live(rig);
  push_both(rig, 0, 0);
  rig.pull();
  EXPECT_EQ(latency_of(rig), 40 * ms);
  for (int n = 1; n < 12; ++n) {
    push_both(rig, n, n * 40 * ms);
    rig.pull();
  }
  EXPECT_GE(latency_of(rig), 40 * ms + 36 * ms);
  GstMessage* message = rig.wait_message(GST_MESSAGE_LATENCY);
  ASSERT_TRUE(message) << "the pipeline has to be told that the latency is another";
  gst_message_unref(message);
}

TEST(Latency, AMissingInfraredPictureIsWaitedForWithoutTheShareOfComputing) {
  const Environment slow("DIGFUSION_FAKE_FUSE_MS", "100");
  Rig rig;
  gst_harness_use_testclock(rig.visible);
  make_live(rig);
  for (int n = 0; n < 8; ++n) {
    push_both(rig, n, n * 40 * ms);
    EXPECT_EQ(rig.pull().infrared, 100 + n);
  }
  ASSERT_GE(latency_of(rig), 160 * ms);
  rig.push_visible({8, 320 * ms, 40 * ms});
  // Its deadline is its time, plus a frame.
  GstTestClock* clock = gst_harness_get_testclock(rig.visible);
  ASSERT_TRUE(gst_harness_wait_for_clock_id_waits(rig.visible, 1, 10));
  EXPECT_EQ(gst_test_clock_get_next_entry_time(clock), 360 * ms);
  gst_object_unref(clock);
  gst_harness_crank_single_clock_wait(rig.visible);
  EXPECT_EQ(rig.pull().infrared, 107);
}

TEST(ForceLive, SourcesThatDoNotSayTheyAreLiveAreNotWaitedForToo) {
  Rig rig("force-live=true max-failures=0");
  gboolean live = FALSE;
  g_object_get(rig.element, "force-live", &live, nullptr);
  EXPECT_TRUE(live);
  gst_harness_use_testclock(rig.visible);
  rig.set_caps(grey, grey);
  rig.push_visible({1, 0, 40 * ms});
  ASSERT_TRUE(gst_harness_wait_for_clock_id_waits(rig.visible, 1, 10));
  gst_harness_crank_single_clock_wait(rig.visible);
  EXPECT_EQ(rig.pull().visible, 1) << "without infrared";
}

TEST(Late, PicturesThatQueuedUpAreDroppedWithAQosMessage) {
  Rig rig;
  gst_harness_use_testclock(rig.visible);
  make_live(rig);
  push_both(rig, 1, 0);
  EXPECT_EQ(rig.pull().visible, 1);
  gst_harness_set_time(rig.visible, 2 * GST_SECOND);
  push_both(rig, 2, 40 * ms);
  push_both(rig, 3, 1980 * ms);
  EXPECT_EQ(rig.pull().visible, 3);
  GstMessage* message = rig.wait_message(GST_MESSAGE_QOS);
  ASSERT_TRUE(message);
  gboolean live = FALSE;
  guint64 running_time = 0, processed = 0, dropped = 0;
  gst_message_parse_qos(message, &live, &running_time, nullptr, nullptr, nullptr);
  gst_message_parse_qos_stats(message, nullptr, &processed, &dropped);
  EXPECT_TRUE(live);
  EXPECT_EQ(running_time, 40 * ms);
  EXPECT_EQ(processed, 1u);
  EXPECT_EQ(dropped, 1u);
  gst_message_unref(message);
}

TEST(Late, ThePictureAfterDroppedOnesIsMarkedDiscont) {
  Rig rig;
  gst_harness_use_testclock(rig.visible);
  make_live(rig);
  push_both(rig, 1, 0);
  rig.pull();
  gst_harness_set_time(rig.visible, 2 * GST_SECOND);
  push_both(rig, 2, 40 * ms);
  for (const bool first : {true, false}) {
    push_both(rig, 3, (first ? 1960 : 2000) * ms);
    GstBuffer* buffer = gst_harness_pull(rig.visible);
    ASSERT_TRUE(buffer);
    EXPECT_EQ(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT), first);
    gst_buffer_unref(buffer);
  }
}

TEST(Late, NothingIsDroppedWithoutQos) {
  Rig rig("qos=false");
  gst_harness_use_testclock(rig.visible);
  make_live(rig);
  push_both(rig, 1, 0);
  EXPECT_EQ(rig.pull().visible, 1);
  gst_harness_set_time(rig.visible, 2 * GST_SECOND);
  push_both(rig, 2, 40 * ms);
  EXPECT_EQ(rig.pull().visible, 2);
}

TEST(Late, DownstreamsQosEventsAreFollowedInAFileToo) {
  Rig rig;
  rig.set_caps(grey, grey);
  push_both(rig, 1, 0);
  EXPECT_EQ(rig.pull().visible, 1);
  // 100 ms too late: nothing before twice that and a frame.
  gst_harness_push_upstream_event(rig.visible, gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 2.0, 100 * ms, 0));
  for (int n = 1; n < 8; ++n) push_both(rig, 1 + n, n * 40 * ms);
  EXPECT_EQ(rig.pull().visible, 7);
  EXPECT_EQ(rig.pull().visible, 8);
  GstStructure* stats = nullptr;
  g_object_get(rig.element, "stats", &stats, nullptr);
  guint64 late = 0;
  gst_structure_get_uint64(stats, "late", &late);
  EXPECT_EQ(late, 5u);
  gst_structure_free(stats);
}

/// 25 pictures a second for three seconds, into queues without bounds, to a core that takes `fuse_ms`.
struct Overload {
  int sent = 0, qos_messages = 0, last = -1;
  std::vector<std::string> presets;  ///< that were told of
  GstClockTime longest_delay = 0;
};
Overload overload(const char* fuse_ms, const std::string& properties = "", int count = 75) {
  const Environment slow("DIGFUSION_FAKE_FUSE_MS", fuse_ms);
  Overload result;
  Pipeline p("digfusion name=f " + properties +
             " ! appsink name=out sync=false emit-signals=true  "
             "appsrc name=v is-live=true do-timestamp=true format=time max-bytes=0 ! f.visible  "
             "appsrc name=i is-live=true do-timestamp=true format=time max-bytes=0 ! f.infrared");
  GstCaps* caps = gst_caps_from_string(grey.c_str());
  for (const char* name : {"v", "i"}) gst_app_src_set_caps(p.source(name), caps);
  const auto on_sample = +[](GstAppSink* sink, gpointer user) {
    auto& outcome = *static_cast<Overload*>(user);
    GstSample* sample = gst_app_sink_pull_sample(sink);
    GstCaps* grey_caps = gst_sample_get_caps(sample);
    const Fused fused = read_fused(gst_sample_get_buffer(sample), grey_caps);
    GstClock* clock = gst_element_get_clock(GST_ELEMENT(sink));
    const GstClockTime now = gst_clock_get_time(clock) - gst_element_get_base_time(GST_ELEMENT(sink));
    gst_object_unref(clock);
    gst_sample_unref(sample);
    ++outcome.sent;
    outcome.last = fused.visible;
    if (fused.visible > 20) outcome.longest_delay = std::max(outcome.longest_delay, now - fused.pts);
    return GST_FLOW_OK;
  };
  g_signal_connect(p.sink("out"), "new-sample", G_CALLBACK(on_sample), &result);
  gst_element_set_state(p.pipeline, GST_STATE_PLAYING);
  for (int n = 0; n < count; ++n) {
    gst_app_src_push_buffer(p.source("i"), make_buffer(grey, {100 + n, GST_CLOCK_TIME_NONE, 40 * ms}));
    gst_app_src_push_buffer(p.source("v"), make_buffer(grey, {n, GST_CLOCK_TIME_NONE, 40 * ms}));
    g_usleep(40000);
  }
  for (const char* name : {"v", "i"}) gst_app_src_end_of_stream(p.source(name));
  for (bool ended = false; !ended;) {
    GstMessage* message =
        gst_bus_timed_pop_filtered(p.bus, 20 * GST_SECOND,
                                   static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR |
                                                               GST_MESSAGE_QOS | GST_MESSAGE_ELEMENT));
    if (!message) break;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_QOS) {
      ++result.qos_messages;
    } else if (gst_message_has_name(message, "digfusion-preset")) {
      const char* preset = gst_structure_get_string(gst_message_get_structure(message), "preset");
      result.presets.push_back(preset ? preset : "");
    } else if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_ELEMENT) {
      ended = true;
    }
    gst_message_unref(message);
  }
  gst_caps_unref(caps);
  return result;
}

TEST(Late, AtTwiceTheLoadTheDelayStaysBounded) {
  const Overload result = overload("80");
  EXPECT_GT(result.qos_messages, 10);
  EXPECT_EQ(result.sent + result.qos_messages, 75);
  EXPECT_GE(result.last, 65) << "the stream keeps up to its end";
  EXPECT_LT(result.longest_delay, GST_SECOND);  // without drops it would end at three
}

TEST(Late, AtASecondsComputingTheDelayIsBoundedByIt) {
  const Overload result = overload("600");
  EXPECT_GT(result.qos_messages, 40);
  EXPECT_LT(result.longest_delay, 2 * GST_SECOND);  // without drops: 45
}

TEST(Late, ACheaperPresetComesBeforeDrops) {
  // 120 ms for a picture, then 60, then 30 of the 40 that there are.
  const Overload result = overload("30", "preset=quality", 150);
  ASSERT_GE(result.presets.size(), 2u);
  EXPECT_EQ(result.presets[0], "balanced");
  EXPECT_EQ(result.presets[1], "realtime");
  EXPECT_GE(result.last, 140);
  const Overload without = overload("30", "preset=quality adaptive=false", 75);
  EXPECT_TRUE(without.presets.empty());
  EXPECT_GT(without.qos_messages, 25);
  const Overload floor = overload("30", "preset=quality adaptive-floor=quality", 75);
  EXPECT_TRUE(floor.presets.empty());
}

TEST(Late, AFileThatNobodyWaitsForKeepsItsPreset) {
  const Environment slow("DIGFUSION_FAKE_FUSE_MS", "15");
  const Stream visible{pictures(40, 50)}, infrared{pictures(40, 50)};
  const Result result = fuse_streams(visible, infrared, "preset=quality");
  EXPECT_EQ(result.frames.size(), 40u);
  EXPECT_TRUE(result.elements.empty());
  EXPECT_STREQ(gst_structure_get_string(result.stats.get(), "preset"), "quality");
}

}  // namespace
}  // namespace digfusion::test
