// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Infrared pictures in the lead, and pairing by the cameras' own clock.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "tests/plugin/rig.h"

namespace digfusion::test {
namespace {

const std::string grey = caps_text("GRAY8", 32, 32);

const Picture& nearest(const Stream& stream, GstClockTime time) {
  return *std::min_element(stream.pictures.begin(), stream.pictures.end(), [&](const auto& a, const auto& b) {
    const auto away = [&](const Picture& p) { return std::abs(static_cast<gint64>(p.pts - time)); };
    return away(a) < away(b);
  });
}

TEST(InfraredLeads, EachOfItsPicturesComesOutOnceWithTheNearestVisibleOne) {
  for (const auto& [visible_fps, infrared_fps] : {std::pair(30, 9), std::pair(9, 30), std::pair(25, 25)}) {
    const Stream visible{pictures(2 * visible_fps, visible_fps)};
    const Stream infrared{pictures(2 * infrared_fps, infrared_fps, 3 * ms, 100)};
    const Result result = fuse_streams(visible, infrared, "lead=infrared eos-policy=first");
    EXPECT_EQ(result.error, "");
    // The last visible picture stands until its end, which is nearer than a 9 Hz picture.
    ASSERT_GE(result.frames.size() + 1, infrared.pictures.size()) << visible_fps << " " << infrared_fps;
    for (std::size_t i = 0; i < result.frames.size(); ++i) {
      EXPECT_EQ(result.frames[i].infrared, infrared.pictures[i].value);
      EXPECT_EQ(result.frames[i].pts, infrared.pictures[i].pts);
      EXPECT_EQ(result.frames[i].duration, infrared.pictures[i].duration);
      EXPECT_EQ(result.frames[i].visible, nearest(visible, infrared.pictures[i].pts).value) << i;
    }
  }
}

gint rate_of(Rig& rig) {
  GstCaps* caps = gst_pad_get_current_caps(rig.visible->sinkpad);
  gint rate = 0, per = 1;
  gst_structure_get_fraction(gst_caps_get_structure(caps, 0), "framerate", &rate, &per);
  gst_caps_unref(caps);
  return rate / per;
}

TEST(InfraredLeads, TheOutputHasItsFrameRateAndTheVisibleSizeAlsoWhenThatChangesWhilePlaying) {
  Rig rig;
  rig.set_caps(caps_text("GRAY8", 48, 32, 25), caps_text("GRAY8", 32, 32, 5));
  rig.push_infrared({100, 0, 200 * ms});
  rig.push_visible({1, 0, 40 * ms});
  EXPECT_EQ(rig.pull().pts, 0u);
  EXPECT_EQ(rate_of(rig), 25);
  gst_util_set_object_arg(G_OBJECT(rig.element), "lead", "infrared");
  rig.push_infrared({101, 200 * ms, 200 * ms});
  for (int n = 1; n < 6; ++n) rig.push_visible({1 + n, n * 40 * ms, 40 * ms});
  const Fused fused = rig.pull();
  EXPECT_EQ(fused.pts, 200 * ms);
  EXPECT_EQ(fused.infrared, 101);
  EXPECT_EQ(fused.visible, 6);
  EXPECT_EQ(rate_of(rig), 5);
}

/// Visible pictures from 0 to 1 s and from 4 s on, infrared ones all the time.
Result visible_is_away(const std::string& policy) {
  Stream visible{pictures(10, 10)};
  for (const Picture& p : pictures(20, 10, 4 * GST_SECOND, 50)) visible.pictures.push_back(p);
  return fuse_streams(
      visible, {pictures(60, 10, 0, 100)},
      "lead=infrared max-visible-age=500000000 recovery-frames=0 visible-loss-policy=" + policy);
}

std::size_t count_frames(const Result& result, const std::function<bool(const Fused&)>& wanted) {
  return static_cast<std::size_t>(std::count_if(result.frames.begin(), result.frames.end(), wanted));
}

TEST(InfraredLeads, TheVisibleLossPolicyIsFollowedInFilesToo) {
  const std::vector<std::string> lost_and_back = {"digfusion-visible-lost", "digfusion-visible-recovered"};
  // Up to 1.4 s the last picture is young enough, and from 3.5 s on the next one.
  Result result = visible_is_away("freeze");
  EXPECT_EQ(result.elements, lost_and_back);
  EXPECT_EQ(result.frames.size(), 60u);
  EXPECT_GE(count_frames(result, [](const Fused& f) { return f.visible == 9 && f.infrared > 109; }), 20u);
  result = visible_is_away("pass");
  EXPECT_EQ(result.elements, lost_and_back);
  EXPECT_EQ(result.frames.size(), 60u);
  EXPECT_GE(count_frames(result, [](const Fused& f) { return f.visible == f.infrared; }), 18u);
  result = visible_is_away("blank");
  EXPECT_EQ(result.frames.size(), 60u);
  EXPECT_GE(count_frames(result, [](const Fused& f) { return f.visible == 0 && f.infrared == 0; }), 18u);
  result = visible_is_away("wait");
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.elements, lost_and_back);
  EXPECT_LE(result.frames.size(), 42u);
  result = visible_is_away("error");
  EXPECT_NE(result.error.find("visible stream is lost"), std::string::npos) << result.error;
}

TEST(InfraredLeads, AfterItsEndVisiblePicturesGoOn) {
  const Stream visible{pictures(50, 25)}, infrared{pictures(5, 5, 0, 100)};
  Result result = fuse_streams(visible, infrared, "lead=infrared");
  EXPECT_EQ(result.error, "");
  ASSERT_GE(result.frames.size(), 20u);
  EXPECT_EQ(result.frames.front().infrared, 100);
  EXPECT_EQ(result.frames.back().visible, 49);
  EXPECT_EQ(result.frames.back().infrared, 49) << "unfused";
  for (std::size_t i = 1; i < result.frames.size(); ++i)
    EXPECT_GT(result.frames[i].pts, result.frames[i - 1].pts);
  result = fuse_streams(visible, infrared, "lead=infrared eos-policy=first");
  EXPECT_LE(result.frames.size(), 6u);
}

TEST(InfraredLeads, WhereItEndsBeforeItBeganVisiblePicturesGoOn) {
  const Result result = fuse_streams({pictures(10, 25)}, {{}}, "lead=infrared");
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.frames.size(), 10u);
}

TEST(InfraredLeads, WhileItIsAwayLiveVisiblePicturesComeByTheirPolicy) {
  Rig rig("lead=infrared max-infrared-age=200000000 recovery-frames=0 max-failures=0 qos=false");
  gst_harness_set_live(rig.visible, TRUE);
  gst_harness_set_live(rig.infrared, TRUE);
  gst_harness_use_testclock(rig.visible);
  rig.set_caps(grey, grey);
  rig.push_visible({1, 0, 40 * ms});
  rig.push_infrared({100, 0, 40 * ms});
  EXPECT_EQ(rig.pull().infrared, 100);
  // Nothing of it until 240 ms.
  rig.push_visible({2, 400 * ms, 40 * ms});
  ASSERT_TRUE(gst_harness_wait_for_clock_id_waits(rig.visible, 1, 10));
  gst_harness_crank_single_clock_wait(rig.visible);
  const Fused alone = rig.pull();
  EXPECT_EQ(alone.pts, 400 * ms);
  EXPECT_EQ(alone.infrared, 2);
  // What was taken before is of no use any more; the next leads again.
  rig.push_infrared({101, 360 * ms, 40 * ms});
  rig.push_visible({3, 470 * ms, 40 * ms});
  rig.push_infrared({102, 480 * ms, 40 * ms});
  const Fused again = rig.pull();
  EXPECT_EQ(again.pts, 480 * ms);
  EXPECT_EQ(again.infrared, 102);
  EXPECT_EQ(again.visible, 3);
}

TEST(InfraredLeads, ABufferThatComesOnceMoreIsANewPicture) {
  Rig rig("lead=infrared max-infrared-age=200000000 qos=false");
  gst_harness_set_live(rig.visible, TRUE);
  gst_harness_set_live(rig.infrared, TRUE);
  gst_harness_use_testclock(rig.visible);
  rig.set_caps(grey, grey);
  const auto push = [&](GstBuffer* buffer) {
    constexpr guint8 captions[] = {0x80, 0x94, 0x2c};
    if (GstVideoCaptionMeta* before = gst_buffer_get_video_caption_meta(buffer))
      gst_buffer_remove_meta(buffer, &before->meta);
    gst_buffer_add_video_caption_meta(buffer, GST_VIDEO_CAPTION_TYPE_CEA608_S334_1A, captions,
                                      sizeof captions);
    EXPECT_EQ(gst_harness_push(rig.visible, gst_buffer_ref(buffer)), GST_FLOW_OK);
  };
  // As of a camera's pool. It stands for 400 ms, and so stays in the queue after it has been fused.
  GstBuffer* buffer = make_buffer(grey, {1, 0, 400 * ms});
  push(buffer);
  rig.push_infrared({100, 0, 40 * ms});
  EXPECT_EQ(rig.pull().infrared, 100);
  // Infrared is away: what was taken before its last picture's end goes.
  ASSERT_TRUE(gst_harness_wait_for_clock_id_waits(rig.visible, 1, 10));
  gst_harness_crank_single_clock_wait(rig.visible);
  for (int n = 0; n < 500 && !gst_buffer_is_writable(buffer); ++n) g_usleep(10'000);
  ASSERT_TRUE(gst_buffer_is_writable(buffer));
  GST_BUFFER_PTS(buffer) = 480 * ms;
  push(buffer);
  rig.push_infrared({101, 480 * ms, 40 * ms});
  GstBuffer* fused = gst_harness_pull(rig.visible);
  EXPECT_EQ(GST_BUFFER_PTS(fused), 480 * ms);
  EXPECT_TRUE(gst_buffer_get_video_caption_meta(fused)) << "its captions haven't been shown";
  gst_buffer_unref(fused);
  gst_buffer_unref(buffer);
}

/// Gives each picture the time when it was taken by a clock: `delay` before its timestamp.
auto taken_at(GstClockTime visible_delay, GstClockTime infrared_delay, const char* infrared_clock) {
  return [=](GstBuffer* buffer, bool is_visible) {
    constexpr GstClockTime epoch = 3900000000ull * GST_SECOND;  // NTP counts from 1900
    GstCaps* clock = gst_caps_new_empty_simple(is_visible ? "timestamp/x-ntp" : infrared_clock);
    gst_buffer_add_reference_timestamp_meta(
        buffer, clock, epoch + GST_BUFFER_PTS(buffer) - (is_visible ? visible_delay : infrared_delay),
        GST_CLOCK_TIME_NONE);
    gst_caps_unref(clock);
  };
}

TEST(ReferenceTimestamps, SayWhichPicturesWereTakenTogether) {
  // The infrared camera's way takes 300 ms longer: what arrives with picture n was taken with n - 3.
  const Stream visible{pictures(40, 10)}, infrared{pictures(40, 10, 0, 100)};
  const auto prepare = taken_at(0, 300 * ms, "timestamp/x-ntp");
  for (const std::string lead : {"visible", "infrared"}) {
    const Result result =
        fuse_streams(visible, infrared, "pair-by=reference-timestamp lead=" + lead, prepare);
    EXPECT_EQ(result.error, "");
    EXPECT_TRUE(result.warnings.empty());
    EXPECT_GE(count_frames(result, [](const Fused& f) { return f.infrared == f.visible + 103; }), 36u)
        << lead;
  }
  const Result by_arrival = fuse_streams(visible, infrared, "", prepare);
  EXPECT_EQ(count_frames(by_arrival, [](const Fused& f) { return f.infrared == f.visible + 100; }), 40u);
}

TEST(ReferenceTimestamps, OfTwoClocksOrNoneAreToldOnceAndRunningTimeCounts) {
  const Stream visible{pictures(20, 10)}, infrared{pictures(20, 10, 0, 100)};
  const auto none = [](GstBuffer*, bool) {};
  for (const auto& prepare :
       {std::function<void(GstBuffer*, bool)>(taken_at(0, 300 * ms, "timestamp/x-unix")),
        std::function<void(GstBuffer*, bool)>(none)}) {
    const Result result = fuse_streams(visible, infrared, "pair-by=reference-timestamp", prepare);
    ASSERT_EQ(result.warnings.size(), 1u);
    EXPECT_NE(result.warnings[0].find("reference timestamp"), std::string::npos);
    EXPECT_EQ(count_frames(result, [](const Fused& f) { return f.infrared == f.visible + 100; }), 20u);
  }
}

TEST(ReferenceTimestamps, AreNeededOnlyNowAndThen) {
  const Stream visible{pictures(40, 10)}, infrared{pictures(40, 10, 0, 100)};
  const auto all = taken_at(0, 300 * ms, "timestamp/x-ntp");
  int number = 0;
  const auto some = [&](GstBuffer* buffer, bool is_visible) {
    if (is_visible || number++ % 4 == 0) all(buffer, is_visible);
  };
  const Result result = fuse_streams(visible, infrared, "pair-by=reference-timestamp", some);
  EXPECT_GE(count_frames(result, [](const Fused& f) { return f.infrared == f.visible + 103; }), 36u);
}

}  // namespace
}  // namespace digfusion::test
