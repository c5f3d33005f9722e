// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Streams that get lost and come back, and clocks that disagree.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/plugin/rig.h"

namespace digfusion::test {
namespace {

const std::string grey = caps_text("GRAY8", 32, 32);

guint64 count_of(const Result& result, const char* field) {
  guint64 value = G_MAXUINT64;
  EXPECT_TRUE(result.stats && gst_structure_get_uint64(result.stats.get(), field, &value)) << field;
  return value;
}

double number_of(const Result& result, const char* field) {
  gdouble value = -1e9;
  EXPECT_TRUE(result.stats && gst_structure_get_double(result.stats.get(), field, &value)) << field;
  return value;
}

/// Four seconds of visible pictures; the infrared ones from 1 s to 3 s are missing. With an age of 200 ms,
/// visible pictures 30 to 69 have no infrared one.
Result with_a_hole(const std::string& policy, const std::string& format = "GRAY8") {
  Stream visible{pictures(100, 25), caps_text(format, 32, 32)}, infrared{pictures(100, 25, 0, 100)};
  infrared.pictures.erase(infrared.pictures.begin() + 25, infrared.pictures.begin() + 75);
  return fuse_streams(visible, infrared,
                      "max-failures=0 max-infrared-age=200000000 recovery-frames=0 " + policy);
}

void expect_fused_but_for_the_hole(const Result& result) {
  EXPECT_EQ(result.error, "");
  ASSERT_EQ(result.frames.size(), 100u);
  for (int n = 0; n < 100; ++n) {
    EXPECT_EQ(result.frames[n].pts, n * 40 * ms);
    if (n >= 30 && n < 70) continue;
    EXPECT_EQ(result.frames[n].infrared, 100 + (n < 30 ? std::min(n, 24) : std::max(n, 75))) << n;
  }
  EXPECT_EQ(result.elements,
            (std::vector<std::string>{"digfusion-infrared-lost", "digfusion-infrared-recovered"}));
  EXPECT_EQ(count_of(result, "infrared-losses"), 1u);
}

TEST(InfraredLoss, PassSendsVisiblePicturesUnfused) {
  const int resets = fake_core_log().resets;
  const Result result = with_a_hole("infrared-loss-policy=pass");
  expect_fused_but_for_the_hole(result);
  EXPECT_EQ(fake_core_log().resets, resets + 1) << "what was before the loss is forgotten";
  for (int n = 30; n < 70; ++n) EXPECT_EQ(result.frames[n].infrared, n);
  EXPECT_EQ(count_of(result, "passed-through"), 40u);
  EXPECT_FALSE(result.warnings.empty());
}

TEST(InfraredLoss, FreezeFusesWithTheLastPicture) {
  const Result result = with_a_hole("infrared-loss-policy=freeze");
  expect_fused_but_for_the_hole(result);
  for (int n = 30; n < 70; ++n) {
    EXPECT_EQ(result.frames[n].visible, n);
    EXPECT_EQ(result.frames[n].infrared, 124);
  }
  EXPECT_TRUE(result.warnings.empty());
}

TEST(InfraredLoss, BlankSendsBlackPictures) {
  const Result result = with_a_hole("infrared-loss-policy=blank");
  expect_fused_but_for_the_hole(result);
  for (int n = 30; n < 70; ++n) {
    EXPECT_EQ(result.frames[n].visible, 0);
    EXPECT_EQ(result.frames[n].infrared, 0);
  }
  EXPECT_EQ(count_of(result, "blanked"), 40u);
}

TEST(InfraredLoss, BlankIsBlackInEveryFormat) {
  for (const auto& [format, black] :
       {std::pair("I420", 16), std::pair("NV12", 16), std::pair("RGB", 0), std::pair("GRAY16_LE", 0),
        std::pair("P010_10LE", 16), std::pair("UYVY", 16)}) {
    Stream visible{pictures(50, 25), caps_text(format, 64, 48)}, infrared{pictures(5, 25, 0, 100)};
    infrared.pictures.push_back({200, 10 * GST_SECOND, 40 * ms});
    const Result result =
        fuse_streams(visible, infrared, "max-infrared-age=200000000 infrared-loss-policy=blank");
    EXPECT_EQ(result.error, "") << format;
    ASSERT_EQ(result.frames.size(), 50u);
    EXPECT_EQ(result.frames[2].infrared, 102) << format;
    EXPECT_EQ(result.frames[40].visible, black) << format;
    EXPECT_EQ(result.frames[40].infrared, black) << format;
  }
}

TEST(InfraredLoss, ErrorEndsTheStream) {
  const Result result = with_a_hole("infrared-loss-policy=error");
  EXPECT_NE(result.error.find("infrared stream is lost"), std::string::npos) << result.error;
  EXPECT_EQ(result.frames.size(), 30u);
}

TEST(InfraredLoss, PassIsAnErrorAfterMaxFailures) {
  const Result result = with_a_hole("max-failures=10");
  EXPECT_NE(result.error.find("10 pictures in a row"), std::string::npos) << result.error;
  EXPECT_EQ(result.frames.size(), 39u);
}

TEST(InfraredLoss, TheFusedPictureIsFadedInAfterIt) {
  for (const std::string format : {"GRAY8", "GRAY16_LE", "I420", "P010_10LE", "I420_10LE"})
    for (const bool blank : {false, true}) {
      const int black = format.starts_with("GRAY") ? 0 : 16;
      const Result result = with_a_hole(
          std::string("recovery-frames=3 infrared-loss-policy=") + (blank ? "blank" : "pass"), format);
      ASSERT_EQ(result.frames.size(), 100u);
      for (int n = 70; n < 76; ++n) {
        const double share = std::max(0, 3 - (n - 70)) / 4.0;
        const int infrared = 100 + std::max(n, 75), stand_in = blank ? black : n;
        EXPECT_NEAR(result.frames[n].infrared, share * stand_in + (1 - share) * infrared, 1.5) << format << n;
        EXPECT_NEAR(result.frames[n].visible, share * stand_in + (1 - share) * n, 1.5) << format << n;
      }
    }
}

TEST(InfraredLoss, FadingKeepsWhatIsEqualInEveryFormat) {
  for (const char* format :
       {"I420", "NV12", "YUY2", "RGB", "BGRx", "GRAY8", "GRAY16_LE", "P010_10LE", "I420_10LE"}) {
    Stream visible{pictures(50, 25), caps_text(format, 64, 48)}, infrared{pictures(50, 25)};
    infrared.pictures.erase(infrared.pictures.begin() + 10, infrared.pictures.begin() + 30);
    const Result result =
        fuse_streams(visible, infrared, "max-failures=0 max-infrared-age=100000000 recovery-frames=5");
    ASSERT_EQ(result.frames.size(), 50u) << format;
    EXPECT_EQ(count_of(result, "infrared-losses"), 1u);
    for (int n = 33; n < 50; ++n) {
      EXPECT_NEAR(result.frames[n].visible, n, 1) << format << n;
      EXPECT_NEAR(result.frames[n].infrared, n, 1) << format << n;
    }
  }
}

/// Live streams of I420 and of a square infrared picture, whose first pictures have been fused. The next
/// infrared picture comes by itself.
class LosesVisible : public Rig {
 public:
  LosesVisible(const std::string& infrared_format, const std::string& properties, bool test_clock = false)
      : Rig("visible-loss-policy=pass max-visible-age=0 qos=false " + properties) {
    gst_harness_set_live(visible, TRUE);
    gst_harness_set_live(infrared, TRUE);
    if (test_clock)
      gst_harness_use_testclock(visible);
    else
      gst_harness_use_systemclock(visible);
    set_caps(caps_text("I420", 64, 32), caps_text(infrared_format, 32, 32));
    push_infrared({200, 0, 40 * ms});
    push_visible({100, 0, 40 * ms});
    EXPECT_EQ(pull().infrared, 200);
  }
};

TEST(VisibleLoss, InfraredOfAnotherFormatAndShapeIsSentInTheVisibleOne) {
  // White infrared of full range is white of limited range, between black borders at the sides.
  LosesVisible rig("GRAY8", "recovery-frames=0");
  rig.push_infrared({255, 80 * ms, 40 * ms});
  GstBuffer* buffer = gst_harness_pull(rig.visible);
  ASSERT_TRUE(buffer);
  EXPECT_EQ(GST_BUFFER_PTS(buffer), 80 * ms);
  guint8 row[64];
  gst_buffer_extract(buffer, 16 * 64, row, sizeof row);
  EXPECT_EQ(row[2], 16);
  EXPECT_EQ(row[32], 235);
  EXPECT_EQ(row[61], 16);
  gst_buffer_unref(buffer);
}

TEST(VisibleLoss, RawInfraredIsReadByTheCoreAsItIsWhenFused) {
  // A plain conversion shows 14 bits over the range of 16, and would leave borders here.
  LosesVisible rig("GRAY16_LE", "recovery-frames=2");
  rig.push_infrared({150, 80 * ms, 40 * ms});
  const Fused alone = rig.pull();
  EXPECT_EQ(alone.pts, 80 * ms);
  EXPECT_EQ(alone.visible, 150) << "the whole picture is the infrared one";
  EXPECT_EQ(alone.infrared, 150);
  rig.push_visible({110, 160 * ms, 40 * ms});
  const Fused again = rig.pull();
  EXPECT_EQ(again.visible, 110) << "fused again, and not faded";
  EXPECT_EQ(again.infrared, 150);
}

TEST(VisibleLoss, RawInfraredIsReadWithTheParametersThatWereSetMeanwhile) {
  LosesVisible rig("GRAY16_LE", "sharpness=0.25");
  EXPECT_EQ(fake_core_log().sharpness, 0.25);
  g_object_set(rig.element, "sharpness", 0.75, nullptr);
  rig.push_infrared({150, 80 * ms, 40 * ms});
  EXPECT_EQ(rig.pull().visible, 150);
  EXPECT_EQ(fake_core_log().sharpness, 0.75);
}

TEST(VisibleLoss, RawInfraredIsReadWithThePresetThatIsInTime) {
  const Environment slow("DIGFUSION_FAKE_FUSE_MS", "15");  // 60 with preset=quality
  LosesVisible rig("GRAY16_LE", "preset=quality", /*test_clock=*/true);
  GstClockTime time = 0;
  for (int n = 0; n < 100 && fake_core_log().preset == Preset::quality; ++n) {
    time += 40 * ms;
    rig.push_infrared({200, time, 40 * ms});
    rig.push_visible({100, time, 40 * ms});
    rig.pull();
  }
  const Preset in_time = fake_core_log().preset;
  ASSERT_NE(in_time, Preset::quality);
  rig.push_infrared({150, time + 80 * ms, 40 * ms});
  ASSERT_TRUE(gst_harness_wait_for_clock_id_waits(rig.visible, 1, 10));
  gst_harness_crank_single_clock_wait(rig.visible);
  EXPECT_EQ(rig.pull().visible, 150);
  EXPECT_EQ(fake_core_log().preset, in_time);
}

TEST(PtsTolerance, BeyondItThePictureBeforeStandsIn) {
  // Of infrared pictures 100 ms apart, the one at 100 ms is nearest to 60 ms.
  const Stream visible{pictures(20, 50)}, infrared{pictures(6, 10, 0, 100)};
  EXPECT_EQ(fuse_streams(visible, infrared).frames[3].infrared, 101);
  const Result strict = fuse_streams(visible, infrared, "pts-tolerance=20000000");
  ASSERT_EQ(strict.frames.size(), 20u);
  EXPECT_EQ(strict.frames[3].infrared, 100);
  EXPECT_EQ(strict.frames[4].infrared, 101);
  EXPECT_TRUE(strict.elements.empty());
}

/// Live streams of 25 pictures a second on the real clock, the visible one pausing from picture 10 to 25.
Result visible_pauses(const std::string& properties) {
  Result result;
  Pipeline p("digfusion name=f max-visible-age=200000000 recovery-frames=0 qos=false " + properties +
             " ! appsink name=out sync=false  "
             "appsrc name=v is-live=true do-timestamp=true format=time ! f.visible  "
             "appsrc name=i is-live=true do-timestamp=true format=time ! f.infrared");
  GstCaps* caps = gst_caps_from_string(grey.c_str());
  for (const char* name : {"v", "i"}) gst_app_src_set_caps(p.source(name), caps);
  gst_element_set_state(p.pipeline, GST_STATE_PLAYING);
  for (int n = 0; n < 40; ++n) {
    gst_app_src_push_buffer(p.source("i"), make_buffer(grey, {100 + n, GST_CLOCK_TIME_NONE, 40 * ms}));
    if (n < 10 || n >= 25)
      gst_app_src_push_buffer(p.source("v"), make_buffer(grey, {n, GST_CLOCK_TIME_NONE, 40 * ms}));
    g_usleep(40000);
  }
  for (const char* name : {"v", "i"}) gst_app_src_end_of_stream(p.source(name));
  while (GstSample* sample = gst_app_sink_try_pull_sample(p.sink("out"), GST_SECOND / 2)) {
    result.frames.push_back(read_fused(gst_sample_get_buffer(sample), caps));
    gst_sample_unref(sample);
  }
  gst_caps_unref(caps);
  GstStructure* stats = nullptr;
  g_object_get(p.get("f"), "stats", &stats, nullptr);
  result.stats.reset(stats);
  while (GstMessage* message = gst_bus_pop(p.bus)) {
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ELEMENT)
      result.elements.push_back(gst_structure_get_name(gst_message_get_structure(message)));
    // The element's own; that the sources couldn't push on comes after it, or doesn't.
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR && result.error.empty())
      result.error = text_of(message);
    gst_message_unref(message);
  }
  return result;
}

/// Pictures that were sent with these halves.
int count_frames(const Result& result, const std::function<bool(const Fused&)>& wanted) {
  return static_cast<int>(std::count_if(result.frames.begin(), result.frames.end(), wanted));
}

void expect_lost_and_back(const Result& result) {
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.elements,
            (std::vector<std::string>{"digfusion-visible-lost", "digfusion-visible-recovered"}));
  EXPECT_EQ(count_of(result, "visible-losses"), 1u);
  for (std::size_t i = 1; i < result.frames.size(); ++i)
    EXPECT_GT(result.frames[i].pts, result.frames[i - 1].pts);
  EXPECT_GE(count_frames(result, [](const Fused& f) { return f.visible >= 25 && f.visible < 40; }), 10);
}

TEST(VisibleLoss, PassSendsInfraredPicturesAtTheirPace) {
  const Result result = visible_pauses("visible-loss-policy=pass");
  expect_lost_and_back(result);
  EXPECT_GE(count_frames(result, [](const Fused& f) { return f.visible >= 110 && f.visible == f.infrared; }),
            5);
}

TEST(VisibleLoss, FreezeFusesTheLastVisiblePicture) {
  const Result result = visible_pauses("visible-loss-policy=freeze");
  expect_lost_and_back(result);
  EXPECT_GE(count_frames(result, [](const Fused& f) { return f.visible == 9 && f.infrared >= 112; }), 5);
}

TEST(VisibleLoss, BlankSendsBlackPictures) {
  const Result result = visible_pauses("visible-loss-policy=blank");
  expect_lost_and_back(result);
  EXPECT_GE(count_frames(result, [](const Fused& f) { return f.visible == 0 && f.infrared == 0; }), 5);
}

TEST(VisibleLoss, ErrorEndsTheStream) {
  const Result result = visible_pauses("visible-loss-policy=error");
  EXPECT_NE(result.error.find("visible stream is lost"), std::string::npos) << result.error;
}

TEST(VisibleLoss, WaitSendsNothingMeanwhile) {
  const Result result = visible_pauses("");
  EXPECT_EQ(result.error, "");
  EXPECT_TRUE(result.elements.empty());
  EXPECT_EQ(result.frames.size(), 25u);
}

/// `seconds` of digtestsrc through the element as fast as it goes, and what it said.
Result fuse_test_source(int seconds, const std::string& source, const std::string& properties = "",
                        const std::string& size = "width=16,height=16") {
  Result result;
  const std::string caps = "video/x-raw,format=GRAY8,framerate=30/1," + size;
  Pipeline p("digtestsrc name=s num-buffers=" + std::to_string(30 * seconds) + " " + source +
             "  s.visible ! " + caps + " ! f.visible  s.infrared ! " + caps +
             " ! f.infrared  digfusion name=f " + properties + " ! fakesink sync=false");
  gst_element_set_state(p.pipeline, GST_STATE_PLAYING);
  for (bool ended = false; !ended;) {
    GstMessage* message = gst_bus_timed_pop_filtered(
        p.bus, 60 * GST_SECOND,
        static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT));
    if (!message) {
      ADD_FAILURE() << "the stream does not end";
      break;
    }
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ELEMENT)
      result.elements.push_back(gst_structure_get_name(gst_message_get_structure(message)));
    else
      ended = true;
    result.error = text_of(message);
    gst_message_unref(message);
  }
  GstStructure* stats = nullptr;
  g_object_get(p.get("f"), "stats", &stats, nullptr);
  result.stats.reset(stats);
  return result;
}

const std::string shutter = "infrared-shutter-interval=2000000000 infrared-shutter-length=1000000000 ";
const std::string scene_size = "width=160,height=120";

TEST(FrozenInfrared, IsToldAndFollowsTheLossPolicy) {
  for (const char* policy : {"pass", "blank", "freeze"}) {
    const Result result =
        fuse_test_source(6, "pattern=night " + shutter,
                         std::string("max-failures=3 infrared-loss-policy=") + policy, scene_size);
    EXPECT_EQ(result.error, "") << policy;
    EXPECT_EQ(result.elements,
              (std::vector<std::string>{"digfusion-infrared-frozen", "digfusion-infrared-unfrozen",
                                        "digfusion-infrared-frozen", "digfusion-infrared-unfrozen"}))
        << policy;
    EXPECT_EQ(count_of(result, "infrared-freezes"), 2u);
    const guint64 passed = count_of(result, "passed-through"), blanked = count_of(result, "blanked");
    EXPECT_EQ(passed > 10 && passed <= 40, std::string(policy) == "pass") << passed;
    EXPECT_EQ(blanked > 10 && blanked <= 40, std::string(policy) == "blank") << blanked;
  }
}

TEST(FrozenInfrared, IsAnErrorWhereThePolicySaysSo) {
  const Result result =
      fuse_test_source(6, "pattern=night " + shutter, "infrared-loss-policy=error", scene_size);
  EXPECT_NE(result.error.find("infrared stream is frozen"), std::string::npos) << result.error;
}

TEST(FrozenInfrared, IsNotSeenBesideAStandingSceneNorWhenSwitchedOff) {
  Result result = fuse_test_source(5, "pattern=still " + shutter, "", scene_size);
  EXPECT_TRUE(result.elements.empty());
  result = fuse_test_source(5, "pattern=night " + shutter, "frozen-infrared-after=0", scene_size);
  EXPECT_TRUE(result.elements.empty());
  EXPECT_EQ(count_of(result, "passed-through"), 0u);
}

TEST(FrozenInfrared, NeverIsACameraThatRuns) {
  for (const char* pattern : {"night", "smoke", "day-glare", "still"}) {
    const Result result = fuse_test_source(4, std::string("pattern=") + pattern, "", scene_size);
    EXPECT_TRUE(result.elements.empty()) << pattern;
  }
}

TEST(Clocks, TheOffsetBetweenTheCamerasIsReported) {
  const Result result =
      fuse_test_source(15, "pattern=still infrared-clock-offset=12000000 infrared-jitter=3000000");
  EXPECT_NEAR(number_of(result, "infrared-offset-ms"), 12, 1);
  EXPECT_NEAR(number_of(result, "infrared-drift-ppm"), 0, 100);
}

TEST(Clocks, TheDriftBetweenTheCamerasIsReported) {
  const Result result = fuse_test_source(
      40, "pattern=still infrared-clock-drift=200 infrared-drops=0.01 infrared-jitter=2000000");
  EXPECT_NEAR(number_of(result, "infrared-drift-ppm"), 200, 30);
  EXPECT_EQ(count_of(result, "passed-through"), 0u);
}

}  // namespace
}  // namespace digfusion::test
