// SPDX-License-Identifier: LGPL-2.1-or-later
//
// digtestsrc's faults as they arrive in a pipeline. What they do to pictures is tested in tests/core/scene.
#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/plugin/rig.h"

namespace digfusion::test {
namespace {

struct Arrived {
  guint64 number;
  GstClockTime pts;
  std::vector<guint16> samples;
};

/// The infrared view's frames.
std::vector<Arrived> frames(const std::string& properties, const std::string& caps = "format=GRAY8") {
  Pipeline p("digtestsrc name=s " + properties + "  s.infrared ! video/x-raw,width=64,height=48," + caps +
             " ! appsink name=i sync=false");
  gst_element_set_state(p.pipeline, GST_STATE_PLAYING);
  std::vector<Arrived> result;
  while (GstSample* sample = gst_app_sink_try_pull_sample(p.sink("i"), 10 * GST_SECOND)) {
    GstBuffer* buffer = gst_sample_get_buffer(sample);
    Arrived frame{GST_BUFFER_OFFSET(buffer), GST_BUFFER_PTS(buffer), {}};
    GstVideoInfo info;
    GstVideoFrame mapped;
    EXPECT_TRUE(gst_video_info_from_caps(&info, gst_sample_get_caps(sample)));
    EXPECT_TRUE(gst_video_frame_map(&mapped, &info, buffer, GST_MAP_READ));
    for (int y = 0; y < 48; ++y)
      for (int x = 0; x < 64; ++x) {
        const auto* at = static_cast<guint8*>(GST_VIDEO_FRAME_PLANE_DATA(&mapped, 0)) +
                         y * GST_VIDEO_FRAME_PLANE_STRIDE(&mapped, 0) +
                         x * GST_VIDEO_FRAME_COMP_PSTRIDE(&mapped, 0);
        frame.samples.push_back(GST_VIDEO_INFO_COMP_DEPTH(&info, 0) == 16 ? GST_READ_UINT16_LE(at) : *at);
      }
    gst_video_frame_unmap(&mapped);
    gst_sample_unref(sample);
    result.push_back(std::move(frame));
  }
  return result;
}

TEST(DigTestSrcFaults, AreDocumentedAndKept) {
  GstElement* element = GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("digtestsrc", nullptr)));
  g_object_set(element, "infrared-offset-x", 3.5, "infrared-dead-pixels", 7, "infrared-kelvin", TRUE,
               "infrared-clock-offset", gint64{-5}, nullptr);
  gdouble offset = 0;
  gint dead = 0;
  gboolean kelvin = FALSE;
  gint64 clock = 0;
  g_object_get(element, "infrared-offset-x", &offset, "infrared-dead-pixels", &dead, "infrared-kelvin",
               &kelvin, "infrared-clock-offset", &clock, nullptr);
  EXPECT_EQ(offset, 3.5);
  EXPECT_EQ(dead, 7);
  EXPECT_TRUE(kelvin);
  EXPECT_EQ(clock, -5);
  guint count = 0;
  GParamSpec** specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &count);
  int faults = 0;
  for (guint i = 0; i < count; ++i)
    if (g_str_has_prefix(specs[i]->name, "infrared-")) {
      ++faults;
      EXPECT_GT(std::string(g_param_spec_get_blurb(specs[i])).size(), 20u) << specs[i]->name;
    }
  EXPECT_EQ(faults, 14);
  g_free(specs);
  gst_object_unref(element);
}

TEST(DigTestSrcFaults, TwoRunsAreEqual) {
  const std::string faults =
      "num-buffers=20 infrared-offset-x=3 infrared-noise=4 infrared-dead-pixels=9 infrared-jitter=5000000 "
      "infrared-drops=0.2";
  const auto one = frames(faults), two = frames(faults);
  ASSERT_EQ(one.size(), two.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].pts, two[i].pts);
    EXPECT_EQ(one[i].samples, two[i].samples);
  }
}

TEST(DigTestSrcFaults, DroppedFramesAreMissingAndTheStreamEndsInTime) {
  const auto all = frames("num-buffers=100 infrared-drops=0.2");
  EXPECT_GT(all.size(), 65u);
  EXPECT_LT(all.size(), 95u);
  EXPECT_LT(all.back().number, 100u);
  for (const Arrived& frame : all) EXPECT_EQ(frame.pts, gst_util_uint64_scale(frame.number, GST_SECOND, 30));
}

TEST(DigTestSrcFaults, TheClocksErrorsAreInTheTimestamps) {
  const auto late = frames("num-buffers=4 infrared-clock-offset=40000000 infrared-clock-drift=1000");
  ASSERT_EQ(late.size(), 4u);
  EXPECT_EQ(late[0].pts, 40 * ms);
  EXPECT_NEAR(static_cast<double>(late[3].pts), 0.1001e9 + 40e6, 2);
  const auto early = frames("num-buffers=4 infrared-clock-offset=-50000000");
  ASSERT_EQ(early.size(), 2u) << "nothing is stamped before the beginning";
  EXPECT_EQ(early[0].number, 2u);
  EXPECT_NEAR(static_cast<double>(early[0].pts), 66.667e6 - 50e6, 1e3);
}

TEST(DigTestSrcFaults, JitterMovesTimestampsWithinItsBound) {
  const auto all = frames("num-buffers=60 infrared-jitter=5000000");
  ASSERT_EQ(all.size(), 60u);
  gint64 worst = 0;
  for (const Arrived& frame : all)
    worst =
        std::max(worst, std::abs(static_cast<gint64>(frame.pts) -
                                 static_cast<gint64>(gst_util_uint64_scale(frame.number, GST_SECOND, 30))));
  EXPECT_GT(worst, 2 * static_cast<gint64>(ms));
  EXPECT_LE(worst, 5 * static_cast<gint64>(ms));
}

TEST(DigTestSrcFaults, TheShutterRepeatsAFrameBitByBit) {
  const auto all =
      frames("num-buffers=60 infrared-shutter-interval=1000000000 infrared-shutter-length=500000000");
  ASSERT_EQ(all.size(), 60u);
  for (std::size_t n = 1; n < all.size(); ++n)
    EXPECT_EQ(all[n].samples == all[n - 1].samples, n >= 30 && n < 45) << n;
}

TEST(DigTestSrcFaults, KelvinIsGrayOf16BitsWithinAStreetsTemperatures) {
  const auto all = frames("num-buffers=1 infrared-kelvin=true", "framerate=30/1");
  ASSERT_EQ(all.size(), 1u);
  const auto [least, most] = std::minmax_element(all[0].samples.begin(), all[0].samples.end());
  EXPECT_GE(*least, 27500);
  EXPECT_LE(*most, 31100);
  EXPECT_GT(*most - *least, 1000);
}

TEST(DigTestSrcFaults, KelvinInAnyOtherFormatIsRefused) {
  EXPECT_THROW(
      Pipeline("digtestsrc name=s infrared-kelvin=true  s.infrared ! video/x-raw,format=GRAY8 ! fakesink"),
      std::runtime_error);
}

TEST(DigTestSrcFaults, ACameraCanBeKnockedWhilePlaying) {
  Pipeline p(
      "digtestsrc name=s pattern=still  s.infrared ! video/x-raw,width=64,height=48,format=GRAY8 ! "
      "appsink name=i sync=false max-buffers=1");
  gst_element_set_state(p.pipeline, GST_STATE_PLAYING);
  const auto sum_of_differences = [&](GstSample* a, GstSample* b) {
    GstMapInfo one, two;
    gst_buffer_map(gst_sample_get_buffer(a), &one, GST_MAP_READ);
    gst_buffer_map(gst_sample_get_buffer(b), &two, GST_MAP_READ);
    int sum = 0;
    for (gsize i = 0; i < one.size; ++i) sum += std::abs(one.data[i] - two.data[i]);
    gst_buffer_unmap(gst_sample_get_buffer(a), &one);
    gst_buffer_unmap(gst_sample_get_buffer(b), &two);
    return sum;
  };
  const auto pull = [&] { return gst_app_sink_try_pull_sample(p.sink("i"), 10 * GST_SECOND); };
  GstSample *first = pull(), *second = pull();
  const int noise = sum_of_differences(first, second);
  g_object_set(p.get("s"), "infrared-offset-x", 6.0, nullptr);
  for (int i = 0; i < 4; ++i) {
    gst_sample_unref(second);
    second = pull();
  }
  EXPECT_GT(sum_of_differences(first, second), 2 * noise);
  gst_sample_unref(first);
  gst_sample_unref(second);
}

TEST(DigTestSrcFaults, LiveFramesComeWhenTheyWereTakenWhateverTheirStampsSay) {
  Pipeline p(
      "digtestsrc name=s is-live=true infrared-clock-offset=3000000000  s.infrared ! "
      "video/x-raw,width=32,height=24,framerate=50/1 ! appsink name=i sync=false");
  gst_element_set_state(p.pipeline, GST_STATE_PLAYING);
  GstSample* sample = gst_app_sink_try_pull_sample(p.sink("i"), 10 * GST_SECOND);
  ASSERT_TRUE(sample);
  GstBuffer* buffer = gst_sample_get_buffer(sample);
  EXPECT_EQ(GST_BUFFER_PTS(buffer), GST_BUFFER_OFFSET(buffer) * 20 * ms + 3 * GST_SECOND);
  GstClock* clock = gst_element_get_clock(p.pipeline);
  EXPECT_LT(gst_clock_get_time(clock) - gst_element_get_base_time(p.pipeline), GST_BUFFER_PTS(buffer));
  gst_object_unref(clock);
  gst_sample_unref(sample);
}

}  // namespace
}  // namespace digfusion::test
