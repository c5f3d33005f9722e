// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A core that has two frames in flight: when the element lets it, and that nothing else can be told from
// outside.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/plugin/inflight_rig.h"

namespace digfusion::test {
namespace {

TEST_F(InFlight, AFileHasTwoAndNeverThree) {
  const Result result = fuse_streams({pictures(60, 25)}, {pictures(60, 25, 0, 100)});
  EXPECT_EQ(result.error, "");
  ASSERT_EQ(result.frames.size(), 60u) << "the last one, too";
  for (int n = 0; n < 60; ++n) {
    EXPECT_EQ(result.frames[n].visible, n);
    EXPECT_EQ(result.frames[n].infrared, 100 + n);
    EXPECT_EQ(result.frames[n].pts, n * 40 * ms);
    EXPECT_EQ(result.frames[n].duration, 40 * ms);
  }
  EXPECT_EQ(log().most_begun, 2);
  EXPECT_GE(log().begun_beside, 30) << "of 60";
}

TEST_F(InFlight, ACoreOfOneHasOne) {
  const Environment one("DIGFUSION_FAKE_IN_FLIGHT", "1");
  EXPECT_EQ(fuse_streams({pictures(30, 25)}, {pictures(30, 25, 0, 100)}).frames.size(), 30u);
  EXPECT_EQ(log().most_begun, 1);
  EXPECT_EQ(log().begun_beside, 0);
}

TEST_F(InFlight, APictureThatComesInTimeIsNotHeldBackForTheNext) {
  Rig rig;
  rig.set_caps(grey, grey);
  for (int n = 0; n < 10; ++n) {
    rig.push_infrared({100 + n, n * 40 * ms, 40 * ms});
    rig.push_visible({n, n * 40 * ms, 40 * ms});
    EXPECT_EQ(rig.pull().visible, n);
  }
  EXPECT_EQ(log().most_begun, 1);
}

TEST_F(InFlight, MetasAndReportsAreThePicturesOwn) {
  const Environment numbered("DIGFUSION_FAKE_NUMBERED", "1");
  Rig rig;
  rig.set_caps(grey, grey);
  constexpr int count = 30;
  // Infrared pictures lie beside theirs, each at a distance of its own.
  std::thread infrared([&] {
    for (int n = 0; n < count; ++n)
      rig.push_infrared({100 + n, n * 40 * ms + static_cast<GstClockTime>(n % 5) * ms, 40 * ms});
  });
  for (int n = 0; n < count; ++n) rig.push_visible({n, n * 40 * ms, 40 * ms});
  infrared.join();
  for (int n = 0; n < count; ++n) {
    GstBuffer* buffer = gst_harness_pull(rig.visible);
    ASSERT_TRUE(buffer);
    GstCustomMeta* meta = gst_buffer_get_custom_meta(buffer, "GstDigfusionMeta");
    ASSERT_TRUE(meta);
    const GstStructure* fields = gst_custom_meta_get_structure(meta);
    gint64 error = -1;
    double number = 0;
    EXPECT_TRUE(gst_structure_get_int64(fields, "pairing-error", &error));
    EXPECT_EQ(error, gint64{n % 5} * static_cast<gint64>(ms));
    EXPECT_TRUE(gst_structure_get_double(fields, "black-value", &number));
    EXPECT_EQ(number, n + 1);
    EXPECT_EQ(GST_BUFFER_PTS(buffer), n * 40 * ms);
    gst_buffer_unref(buffer);
  }
  EXPECT_EQ(log().most_begun, 2);
}

TEST_F(InFlight, EventsStayInOrderWithThePictures) {
  Rig rig;
  rig.set_caps(grey, grey);
  const Recorder recorder(rig.visible->sinkpad);
  push_as_a_file(rig, 25, [&](int n) {
    if (n == 5)
      gst_harness_push_event(rig.visible,
                             gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "night", nullptr)));
    if (n == 10)
      gst_harness_push_event(
          rig.visible, gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty("here")));
    if (n == 15) {
      GstSegment segment;
      gst_segment_init(&segment, GST_FORMAT_TIME);
      gst_harness_push_event(rig.visible, gst_event_new_segment(&segment));
    }
    if (n == 20) rig.set_caps(caps_text("GRAY8", 48, 32), "");
  });
  gst_harness_push_event(rig.infrared, gst_event_new_eos());
  gst_harness_push_event(rig.visible, gst_event_new_eos());
  ASSERT_TRUE(recorder.wait_for("eos"));
  std::vector<std::string> expected = {"stream-start", "caps", "segment"};
  for (int n = 0; n < 25; ++n) {
    if (n == 5) expected.push_back("tag");
    if (n == 10) expected.push_back("custom-downstream");
    if (n == 15) expected.push_back("segment");
    if (n == 20) expected.insert(expected.end(), {"caps", "segment"});  // which GstHarness sends with them
    expected.push_back(picture(n, n < 20 ? 32 : 48));
  }
  expected.push_back("eos");
  EXPECT_EQ(recorder.seen(), expected);
  EXPECT_EQ(log().most_begun, 2);
}

TEST_F(InFlight, AFlushDropsThem) {
  const Environment slow("DIGFUSION_FAKE_FUSE_MS", "300");
  Rig rig;
  rig.set_caps(grey, grey);
  for (int n = 0; n < 30 && log().most_begun < 2; ++n) {
    // The second pair has to be there before the first is begun: the core is loading until then, or busy.
    rig.push_infrared({100 + n, n * 40 * ms, 40 * ms});
    rig.push_visible({n, n * 40 * ms, 40 * ms});
  }
  ASSERT_EQ(log().most_begun, 2);
  while (gst_harness_buffers_in_queue(rig.visible) > 0) gst_buffer_unref(gst_harness_pull(rig.visible));
  const Recorder recorder(rig.visible->sinkpad);
  rig.flush();
  EXPECT_EQ(log().begun, 0);
  EXPECT_EQ(recorder.count("picture"), 0u);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  for (GstHarness* harness : {rig.visible, rig.infrared})
    gst_harness_push_event(harness, gst_event_new_segment(&segment));
  rig.push_infrared({207, 0, 40 * ms});
  rig.push_visible({77, 0, 40 * ms});
  const Fused fused = rig.pull();
  EXPECT_EQ(fused.visible, 77);
  EXPECT_EQ(fused.infrared, 207);
}

TEST_F(InFlight, AFailureIsThatPicturesAlone) {
  for (const char* where : {"DIGFUSION_FAKE_FAIL_FINISH", "DIGFUSION_FAKE_FAIL_BEGIN"}) {
    SCOPED_TRACE(where);
    log().most_begun = 0;
    const Environment failing(where, "11");
    const Result result = fuse_streams({pictures(30, 25)}, {pictures(30, 25, 0, 100)}, "max-failures=2");
    EXPECT_EQ(result.error, "");
    EXPECT_EQ(result.warnings.size(), 1u);
    ASSERT_EQ(result.frames.size(), 30u);
    for (int n = 0; n < 30; ++n) {
      EXPECT_EQ(result.frames[n].visible, n);
      EXPECT_EQ(result.frames[n].infrared, n == 10 ? 10 : 100 + n) << "unfused where it failed";
    }
    EXPECT_EQ(log().most_begun, 2);
  }
}

TEST_F(InFlight, AnErrorOfTheDeviceEndsTheStreamOnce) {
  const Environment failing("DIGFUSION_FAKE_DEVICE_ERROR", "the GPU is gone");
  const Result result = fuse_streams({pictures(30, 25)}, {pictures(30, 25, 0, 100)});
  EXPECT_NE(result.error.find("the GPU is gone"), std::string::npos) << result.error;
  EXPECT_TRUE(result.frames.empty());
}

TEST_F(InFlight, AViewOfAnotherSizeIsNegotiatedBetweenTwoPictures) {
  Rig rig;
  rig.set_caps(grey, grey);
  const Recorder recorder(rig.visible->sinkpad);
  push_as_a_file(rig, 40, [&](int n) {
    if (n == 15) gst_util_set_object_arg(G_OBJECT(rig.element), "mode", "side-by-side");
  });
  ASSERT_TRUE(recorder.wait_for("picture 39+"));
  std::vector<std::string> pictures_seen;
  int wide = 0;
  for (const std::string& one : recorder.seen())
    if (one.starts_with("picture")) pictures_seen.push_back(one);
  ASSERT_EQ(pictures_seen.size(), 40u);
  for (int n = 0; n < 40; ++n) {
    // Two of it beside each other: halves that are alike all over.
    if (pictures_seen[n] == picture(n, 64))
      ++wide;
    else
      EXPECT_TRUE(pictures_seen[n] == picture(n, 32) && wide == 0) << pictures_seen[n];
  }
  EXPECT_GT(wide, 15);
  EXPECT_LT(wide, 31);
  EXPECT_EQ(recorder.count("caps"), 2u);
  EXPECT_EQ(log().most_begun, 2);
}

TEST_F(InFlight, SettingsThatChangeAreForThePicturesAfterThem) {
  Rig rig;
  rig.set_caps(grey, grey);
  push_as_a_file(rig, 60,
                 [&](int n) { g_object_set(rig.element, "sharpness", 1 + (n % 6) / 10.0, nullptr); });
  for (int n = 0; n < 60; ++n) EXPECT_EQ(rig.pull().visible, n);
  EXPECT_NEAR(log().sharpness, 1.5, 1e-9);
}

struct Case {
  const char* name;
  std::string properties;
  bool hole = false;  ///< from 1 s to 2.4 s there is no infrared picture
  bool still = false;
  int infrared_fps = 25;
};

/// What can be seen of a run, as text.
std::string outcome(const Case& tested) {
  Stream visible{pictures(80, 25)},
      infrared{pictures(80 * tested.infrared_fps / 25, tested.infrared_fps, 0, 100)};
  auto& list = infrared.pictures;
  if (tested.hole) list.erase(list.begin() + 25, list.begin() + 60);
  if (tested.still)
    for (std::size_t n = 20; n < 50; ++n) list[n].value = list[20].value;
  const auto leave_standing = [](GstBuffer* buffer, bool is_visible) {
    // What moves in the visible pictures is some of their blocks.
    if (is_visible)
      gst_buffer_memset(buffer, 0, static_cast<guint8>(GST_BUFFER_PTS(buffer) / ms * 9 % 251), 320);
  };
  const Result result =
      tested.still ? fuse_streams(visible, infrared, "max-failures=0 " + tested.properties, leave_standing)
                   : fuse_streams(visible, infrared, "max-failures=0 " + tested.properties);
  std::string text = result.error;
  for (const Fused& frame : result.frames)
    text += std::to_string(frame.pts / ms) + ": " + std::to_string(frame.visible) + "+" +
            std::to_string(frame.infrared) + "\n";
  for (const std::string& element : result.elements) text += element + "\n";
  text += result.warnings.empty() ? "no warnings\n" : "warnings\n";  // one a second at most
  for (const char* field : {"frames", "dropped", "passed-through", "failures", "blanked"}) {
    guint64 value = 0;
    EXPECT_TRUE(gst_structure_get_uint64(result.stats.get(), field, &value));
    text += std::string(field) + " " + std::to_string(value) + "\n";
  }
  return text;
}

class SameWithTwo : public InFlight, public testing::WithParamInterface<Case> {};

TEST_P(SameWithTwo, AsWithOne) {
  const std::string with_two = outcome(GetParam());
  EXPECT_EQ(log().most_begun, 2);
  const Environment one("DIGFUSION_FAKE_IN_FLIGHT", "1");
  EXPECT_EQ(with_two, outcome(GetParam()));
}

const std::string brief = "max-infrared-age=200000000 recovery-frames=3 infrared-loss-policy=";
INSTANTIATE_TEST_SUITE_P(
    Cases, SameWithTwo,
    testing::Values(Case{"Pass", brief + "pass", true}, Case{"Blank", brief + "blank", true},
                    Case{"Freeze", brief + "freeze", true}, Case{"Error", brief + "error", true},
                    Case{"Still", brief + "pass frozen-infrared-after=200000000", false, true},
                    Case{"StillAndBlank", brief + "blank frozen-infrared-after=200000000", false, true},
                    Case{"SlowInfrared", "", false, false, 9}, Case{"FastInfrared", "", false, false, 60},
                    Case{"InfraredLeads", "lead=infrared", false, false, 20},
                    Case{"InfraredLeadsWithAHole", "lead=infrared " + brief + "pass", true},
                    Case{"First", "eos-policy=first", false, false, 20},
                    Case{"SideBySide", "mode=side-by-side " + brief + "pass", true}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST_F(InFlight, ThePictureAfterDroppedOnesIsTheOneThatIsMarked) {
  Rig rig;
  rig.set_caps(grey, grey);
  push_as_a_file(rig, 40, [&](int n) {
    if (n % 8 < 7) return;
    // Nothing before the third from here is in time, for downstream.
    gst_harness_push_upstream_event(
        rig.visible, gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 2.0, 20 * ms, (n + 1) * 40 * ms));
  });
  int next = 0, gaps = 0;
  while (next < 36) {  // the last of all may be dropped
    GstBuffer* buffer = gst_harness_pull(rig.visible);
    ASSERT_TRUE(buffer);
    const int n = static_cast<int>(GST_BUFFER_PTS(buffer) / (40 * ms));
    EXPECT_EQ(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT), n > next) << n << " after " << next;
    gaps += n > next;
    next = n + 1;
    gst_buffer_unref(buffer);
  }
  EXPECT_GE(gaps, 4);
  EXPECT_EQ(log().most_begun, 2);
}

TEST_F(InFlight, APoolOfOneBufferIsEnough) {
  Rig rig;
  offer_pool(rig, GST_TYPE_BUFFER_POOL, 1);
  rig.set_caps(grey, grey);
  std::thread pusher([&] { push_as_a_file(rig, 20, [](int) {}); });
  for (int n = 0; n < 20; ++n) EXPECT_EQ(rig.pull().visible, n);
  pusher.join();
  EXPECT_EQ(log().most_begun, 1);
}

TEST_F(InFlight, APipelineStopsInTheirMidst) {
  Pipeline p(
      "digfusion name=f ! fakesink  videotestsrc ! video/x-raw,format=GRAY8,width=32,height=32 ! f.visible  "
      "videotestsrc ! video/x-raw,format=GRAY8,width=32,height=32 ! f.infrared");
  for (int n = 0; n < 5; ++n) {
    log().most_begun = 0;
    gst_element_set_state(p.pipeline, GST_STATE_PLAYING);
    for (int tries = 0; tries < 1000 && log().most_begun < 2; ++tries) g_usleep(5'000);
    EXPECT_EQ(log().most_begun, 2);
    EXPECT_EQ(gst_element_set_state(p.pipeline, GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
    EXPECT_EQ(log().begun, 0);
  }
}

GstClockTime latency_of(Rig& rig) {
  GstQuery* query = gst_query_new_latency();
  EXPECT_TRUE(gst_pad_peer_query(rig.visible->sinkpad, query));
  GstClockTime minimum = 0;
  gst_query_parse_latency(query, nullptr, &minimum, nullptr);
  gst_query_unref(query);
  return minimum;
}

TEST_F(InFlight, TheLatencyHasBothAndThePresetWhatOneCosts) {
  // 30 ms for a picture, of the 40 that there are; two at a time are 60 from beginning to end.
  const Environment slow("DIGFUSION_FAKE_FUSE_MS", "30");
  Rig rig("qos=false preset=realtime adaptive-floor=minimal");
  gst_harness_use_testclock(rig.visible);
  gst_harness_set_live(rig.visible, TRUE);
  gst_harness_set_live(rig.infrared, TRUE);
  rig.set_caps(grey, grey);
  push_as_a_file(rig, 45, [](int) {});
  for (int n = 0; n < 45; ++n) EXPECT_EQ(rig.pull().visible, n);
  EXPECT_EQ(log().most_begun, 2);
  EXPECT_GE(latency_of(rig), 40 * ms + 60 * ms);
  while (GstMessage* message = rig.wait_message(GST_MESSAGE_ELEMENT, 0)) {
    EXPECT_FALSE(gst_message_has_name(message, "digfusion-preset")) << "it does as it is";
    gst_message_unref(message);
  }
}

/// The presets that the element went to with `count` live pictures at `fps`, all of which wait from the
/// start, while downstream takes `downstream_ms` for each.
std::vector<std::string> presets_of(Rig& rig, int count, int fps, int downstream_ms) {
  gst_pad_add_probe(
      rig.visible->sinkpad, GST_PAD_PROBE_TYPE_BUFFER,
      +[](GstPad*, GstPadProbeInfo*, gpointer milliseconds) {
        g_usleep(1000 * GPOINTER_TO_SIZE(milliseconds));
        return GST_PAD_PROBE_OK;
      },
      GSIZE_TO_POINTER(downstream_ms), nullptr);
  gst_harness_use_testclock(rig.visible);
  gst_harness_set_live(rig.visible, TRUE);
  gst_harness_set_live(rig.infrared, TRUE);
  rig.set_caps(caps_text("GRAY8", 32, 32, fps), caps_text("GRAY8", 32, 32, fps));
  const GstClockTime interval = GST_SECOND / static_cast<GstClockTime>(fps);
  std::thread infrared([&] {
    for (int n = 0; n < count; ++n) rig.push_infrared({100 + n, n * interval, interval});
  });
  for (int n = 0; n < count; ++n) rig.push_visible({n, n * interval, interval});
  infrared.join();
  for (int n = 0; n < 1000 && gst_harness_buffers_received(rig.visible) < static_cast<guint>(count); ++n)
    g_usleep(10'000);
  EXPECT_EQ(gst_harness_buffers_received(rig.visible), static_cast<guint>(count));
  std::vector<std::string> presets;
  while (GstMessage* message = rig.wait_message(GST_MESSAGE_ELEMENT, 0)) {
    if (gst_message_has_name(message, "digfusion-preset"))
      presets.push_back(gst_structure_get_string(gst_message_get_structure(message), "preset"));
    gst_message_unref(message);
  }
  return presets;
}

TEST_F(InFlight, AGpuThatIsTooSlowIsNotHiddenByDownstream) {
  // 50 ms of the GPU's for each 40, while downstream works for 30 of them.
  const Environment slow("DIGFUSION_FAKE_FUSE_MS", "50");
  Rig rig("qos=false preset=realtime adaptive-floor=minimal");
  EXPECT_EQ(presets_of(rig, 30, 25, 30), std::vector<std::string>{"minimal"});
  EXPECT_EQ(log().most_begun, 2);
  EXPECT_GE(latency_of(rig), 40 * ms + 50 * ms);
}

TEST_F(InFlight, ADownstreamThatIsTooSlowIsNotTheGpus) {
  // No cheaper preset would help against the 50 ms of downstream.
  const Environment quick("DIGFUSION_FAKE_FUSE_MS", "15");
  Rig rig("qos=false preset=realtime adaptive-floor=minimal");
  EXPECT_EQ(presets_of(rig, 30, 25, 50), std::vector<std::string>{});
  EXPECT_EQ(log().most_begun, 2);
}

TEST_F(InFlight, APictureOfTheOldPresetIsNotJudgedAsOneOfTheNew) {
  // Of a picture's 100 ms quality takes 212, balanced 106: twelve of its pictures are a judgement, and one is
  // in flight then.
  const Environment slow("DIGFUSION_FAKE_FUSE_MS", "53");
  Rig rig("qos=false preset=quality adaptive-floor=realtime");
  const std::vector<std::string> both = {"balanced", "realtime"};
  EXPECT_EQ(presets_of(rig, 28, 10, 0), both);
  int balanced = 0;
  for (int n = 0; n < 28; ++n) {
    GstBuffer* buffer = gst_harness_pull(rig.visible);
    ASSERT_TRUE(buffer);
    GstCustomMeta* meta = gst_buffer_get_custom_meta(buffer, "GstDigfusionMeta");
    ASSERT_TRUE(meta);
    const char* preset = gst_structure_get_string(gst_custom_meta_get_structure(meta), "preset");
    balanced += std::string(preset ? preset : "") == "balanced";
    gst_buffer_unref(buffer);
  }
  EXPECT_EQ(balanced, 13);
  EXPECT_EQ(log().most_begun, 2);
}

/// The type of pools that give a minimum of one, and no more.
GType modest_pool() {
  static const GType type = g_type_register_static_simple(
      GST_TYPE_BUFFER_POOL, "ModestPool", sizeof(GstBufferPoolClass),
      +[](gpointer klass, gpointer) {
        GST_BUFFER_POOL_CLASS(klass)->set_config =
            +[](GstBufferPool* pool, GstStructure* config) -> gboolean {
          guint min = 0;
          gst_buffer_pool_config_get_params(config, nullptr, nullptr, &min, nullptr);
          auto* parent = static_cast<GstBufferPoolClass*>(g_type_class_peek(GST_TYPE_BUFFER_POOL));
          return min <= 1 && parent->set_config(pool, config);
        };
      },
      sizeof(GstBufferPool), nullptr, static_cast<GTypeFlags>(0));
  return type;
}

TEST_F(InFlight, APoolThatRefusesMoreIsUsedAsItWasOffered) {
  Rig rig("device=cuda:0");  // where one more is asked for
  offer_pool(rig, modest_pool(), 0);
  rig.set_caps(grey, grey);
  push_as_a_file(rig, 10, [](int) {});
  for (int n = 0; n < 10; ++n) {
    GstBuffer* buffer = gst_harness_pull(rig.visible);
    ASSERT_TRUE(buffer);
    ASSERT_TRUE(buffer->pool);
    EXPECT_EQ(G_OBJECT_TYPE(buffer->pool), modest_pool());
    gst_buffer_unref(buffer);
  }
}

TEST_F(InFlight, AsManyBuffersAreAskedForAsPairs) {
  for (const auto& [properties, expected] : {std::pair{"device=cuda:0", 2u},
                                             {"device=cuda:0 frames-in-flight=1", 1u},
                                             {"device=cuda:0 batch-streams=2", 1u},
                                             {"device=cpu", 1u}}) {
    Rig rig(properties);
    offer_pool(rig, GST_TYPE_BUFFER_POOL, 0);
    rig.set_caps(grey, grey);
    push_as_a_file(rig, 1, [](int) {});
    GstBuffer* buffer = gst_harness_pull(rig.visible);
    ASSERT_TRUE(buffer);
    ASSERT_TRUE(buffer->pool);
    guint min = 0;
    GstStructure* config = gst_buffer_pool_get_config(buffer->pool);
    gst_buffer_pool_config_get_params(config, nullptr, nullptr, &min, nullptr);
    EXPECT_EQ(min, expected) << properties;
    gst_structure_free(config);
    gst_buffer_unref(buffer);
  }
}

TEST_F(InFlight, AViewThatChangesWithAFailureIsForTheNextPair) {
  const Environment slow("DIGFUSION_FAKE_FUSE_MS", "300"), failing("DIGFUSION_FAKE_FAIL_FINISH", "3");
  Rig rig;
  offer_pool(rig, GST_TYPE_BUFFER_POOL, 1);
  rig.set_caps(grey, grey);
  const Recorder recorder(rig.visible->sinkpad);
  std::thread pusher([&] { push_as_a_file(rig, 6, [](int) {}); });
  for (int n = 0; n < 2; ++n) EXPECT_EQ(rig.pull().visible, n);
  for (int n = 0; n < 1000 && log().begun == 0; ++n) g_usleep(1000);
  g_usleep(100'000);  // the third is awaited now, for the one buffer to be free
  gst_util_set_object_arg(G_OBJECT(rig.element), "mode", "side-by-side");
  for (int n = 2; n < 6; ++n) EXPECT_EQ(rig.pull().pts, n * 40 * ms);
  pusher.join();
  for (int n = 3; n < 6; ++n) EXPECT_EQ(recorder.count(picture(n, 64)), 1u) << n;
}

}  // namespace
}  // namespace digfusion::test
