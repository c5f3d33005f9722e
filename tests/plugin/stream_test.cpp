// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whole streams through the element: which pictures meet, what comes out, and when it ends.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "tests/plugin/rig.h"

namespace digfusion::test {
namespace {

guint64 stat(const Result& result, const char* field) {
  guint64 value = G_MAXUINT64;
  EXPECT_TRUE(result.stats && gst_structure_get_uint64(result.stats.get(), field, &value)) << field;
  return value;
}

void expect_like(const Fused& out, const Picture& in) {
  EXPECT_EQ(out.visible, in.value);
  EXPECT_EQ(out.pts, in.pts);
  EXPECT_EQ(out.duration, in.duration);
}

TEST(Stream, EqualRatesPairOneToOneAndKeepTimestamps) {
  const Stream visible{pictures(100, 30)}, infrared{pictures(100, 30, 0, 100)};
  const Result result = fuse_streams(visible, infrared);
  EXPECT_EQ(result.error, "");
  ASSERT_EQ(result.frames.size(), 100u);
  for (int i = 0; i < 100; ++i) {
    expect_like(result.frames[i], visible.pictures[i]);
    EXPECT_EQ(result.frames[i].infrared, 100 + i);
  }
  EXPECT_EQ(stat(result, "frames"), 100u);
  EXPECT_EQ(stat(result, "dropped"), 0u);
  EXPECT_EQ(stat(result, "passed-through"), 0u);
  EXPECT_EQ(fake_core_log().overlaps, 0);
}

TEST(Stream, EqualRatesHalfAPictureApartPairOneToOne) {
  for (const GstClockTime shift : {10 * ms, 20 * ms}) {
    const Stream visible{pictures(50, 25, 20 * ms)}, infrared{pictures(50, 25, 20 * ms + shift, 100)};
    const Result result = fuse_streams(visible, infrared);
    ASSERT_EQ(result.frames.size(), 50u);
    for (int i = 0; i < 50; ++i) EXPECT_EQ(result.frames[i].infrared, 100 + i);
    EXPECT_EQ(stat(result, "dropped"), 0u);
  }
}

TEST(Stream, UnequalRatesTakeTheNearest) {
  for (const auto& [visible_fps, infrared_fps] : {std::pair(30, 9), std::pair(25, 30), std::pair(30, 10)}) {
    const Stream visible{pictures(2 * visible_fps, visible_fps)};
    const Stream infrared{pictures(2 * infrared_fps, infrared_fps, 0, 100)};
    const Result result = fuse_streams(visible, infrared);
    EXPECT_EQ(result.error, "");
    ASSERT_EQ(result.frames.size(), visible.pictures.size());
    for (std::size_t i = 0; i < result.frames.size(); ++i) {
      expect_like(result.frames[i], visible.pictures[i]);
      const auto away = [&](const Picture& p) {
        return std::abs(static_cast<gint64>(p.pts) - static_cast<gint64>(visible.pictures[i].pts));
      };
      gint64 nearest = G_MAXINT64;
      for (const Picture& p : infrared.pictures) nearest = std::min(nearest, away(p));
      ASSERT_GE(result.frames[i].infrared, 100);
      EXPECT_LE(away(infrared.pictures[result.frames[i].infrared - 100]), nearest + 2) << "picture " << i;
    }
  }
}

TEST(Stream, InfraredBeforeTheVisibleStartIsSkipped) {
  const Stream visible{pictures(20, 25, 400 * ms)}, infrared{pictures(30, 25, 0, 100)};
  const Result result = fuse_streams(visible, infrared);
  ASSERT_EQ(result.frames.size(), 20u);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(result.frames[i].infrared, 110 + i);
  EXPECT_EQ(stat(result, "dropped"), 10u);
}

TEST(Stream, VisibleWaitsForAnInfraredStreamThatStartsLater) {
  const Stream visible{pictures(20, 25)}, infrared{pictures(10, 25, 400 * ms, 100)};
  const Result result = fuse_streams(visible, infrared);
  ASSERT_EQ(result.frames.size(), 20u);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(result.frames[i].infrared, 100 + std::max(0, i - 10));
}

TEST(Stream, OffsetsFlagsAndMetasOfTheVisiblePictureArePreserved) {
  static const gchar* no_tags[] = {nullptr};
  static const GstMetaInfo* custom =
      gst_meta_register_custom("digfusion-test", no_tags, nullptr, nullptr, nullptr);
  Pipeline p(
      "digfusion name=f ! appsink name=out sync=false  appsrc name=v format=time ! f.visible  "
      "appsrc name=i format=time ! f.infrared");
  const std::string caps_string = caps_text("NV12", 64, 48);
  GstCaps* caps = gst_caps_from_string(caps_string.c_str());
  gst_app_src_set_caps(p.source("v"), caps);
  gst_app_src_set_caps(p.source("i"), caps);
  gst_element_set_state(p.pipeline, GST_STATE_PLAYING);

  GstBuffer* buffer = make_buffer(caps_string, {7, 40 * ms, 40 * ms});
  GST_BUFFER_OFFSET(buffer) = 1234;
  GST_BUFFER_OFFSET_END(buffer) = 1235;
  GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_MARKER);
  gst_buffer_add_video_region_of_interest_meta(buffer, "face", 1, 2, 3, 4);
  GstCaps* reference = gst_caps_new_empty_simple("timestamp/x-unix");
  gst_buffer_add_reference_timestamp_meta(buffer, reference, 99, 1);
  gst_caps_unref(reference);
  gst_structure_set(gst_custom_meta_get_structure(gst_buffer_add_custom_meta(buffer, "digfusion-test")), "n",
                    G_TYPE_INT, 5, nullptr);
  GstBuffer* parent = gst_buffer_new();  // of the memory, which isn't the output's
  gst_buffer_add_parent_buffer_meta(buffer, parent);
  gst_buffer_unref(parent);
  gst_app_src_push_buffer(p.source("v"), buffer);
  gst_app_src_push_buffer(p.source("i"), make_buffer(caps_string, {9, 40 * ms, 40 * ms}));
  gst_app_src_end_of_stream(p.source("v"));

  GstSample* sample = gst_app_sink_try_pull_sample(p.sink("out"), 10 * GST_SECOND);
  ASSERT_TRUE(sample);
  GstBuffer* fused = gst_sample_get_buffer(sample);
  EXPECT_EQ(read_fused(fused, caps).infrared, 9);
  EXPECT_EQ(GST_BUFFER_OFFSET(fused), 1234u);
  EXPECT_EQ(GST_BUFFER_OFFSET_END(fused), 1235u);
  EXPECT_TRUE(GST_BUFFER_FLAG_IS_SET(fused, GST_BUFFER_FLAG_MARKER));
  const auto* roi = gst_buffer_get_video_region_of_interest_meta_id(fused, 0);
  ASSERT_TRUE(roi);
  EXPECT_EQ(roi->h, 4u);
  const auto* timestamp = gst_buffer_get_reference_timestamp_meta(fused, nullptr);
  ASSERT_TRUE(timestamp);
  EXPECT_EQ(timestamp->timestamp, 99u);
  auto* own = reinterpret_cast<GstCustomMeta*>(gst_buffer_get_meta(fused, custom->api));
  ASSERT_TRUE(own);
  int n = 0;
  gst_structure_get_int(gst_custom_meta_get_structure(own), "n", &n);
  EXPECT_EQ(n, 5);
  EXPECT_FALSE(gst_buffer_get_parent_buffer_meta(fused));
  gst_sample_unref(sample);
  gst_caps_unref(caps);
}

TEST(Stream, EosPolicyVisiblePassesVisiblePicturesOnAfterTheInfraredEnd) {
  const Stream visible{pictures(20, 25)}, infrared{pictures(12, 25, 0, 100)};
  const Result result = fuse_streams(visible, infrared);
  EXPECT_EQ(result.error, "");
  ASSERT_EQ(result.frames.size(), 20u);
  for (int i = 0; i < 20; ++i) {
    expect_like(result.frames[i], visible.pictures[i]);
    EXPECT_EQ(result.frames[i].infrared, i < 12 ? 100 + i : i);
  }
  EXPECT_EQ(result.infos.size(), 1u);
  EXPECT_TRUE(result.warnings.empty());
  EXPECT_EQ(stat(result, "passed-through"), 8u);
  EXPECT_EQ(stat(result, "failures"), 0u);
}

TEST(Stream, EosPolicyVisibleEndsWithTheVisibleStream) {
  const Result result = fuse_streams({pictures(10, 25)}, {pictures(40, 25)});
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.frames.size(), 10u);
}

TEST(Stream, EosPolicyFirstEndsWithEitherStream) {
  EXPECT_EQ(fuse_streams({pictures(20, 25)}, {pictures(12, 25)}, "eos-policy=first").frames.size(), 12u);
  EXPECT_EQ(fuse_streams({pictures(12, 25)}, {pictures(20, 25)}, "eos-policy=first").frames.size(), 12u);
}

TEST(Stream, EosPolicyAllAwaitsTheInfraredEnd) {
  const Result result = fuse_streams({pictures(12, 25)}, {pictures(20, 25)}, "eos-policy=all");
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.frames.size(), 12u);
  EXPECT_EQ(stat(result, "dropped"), 8u);
  EXPECT_EQ(fuse_streams({pictures(20, 25)}, {pictures(12, 25)}, "eos-policy=all").frames.size(), 20u);
}

TEST(Stream, EmptyStreams) {
  Result result = fuse_streams({{}}, {pictures(5, 25)});
  EXPECT_EQ(result.error, "");
  EXPECT_TRUE(result.frames.empty());
  result = fuse_streams({pictures(5, 25)}, {{}});
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.frames.size(), 5u);
  EXPECT_EQ(result.infos.size(), 1u);
}

TEST(Stream, PicturesWithoutTimestampsPairInOrder) {
  Stream visible{pictures(10, 25)}, infrared{pictures(10, 25, 0, 100)};
  for (Stream* stream : {&visible, &infrared})
    for (Picture& picture : stream->pictures) picture.pts = picture.duration = GST_CLOCK_TIME_NONE;
  const Result result = fuse_streams(visible, infrared);
  ASSERT_EQ(result.frames.size(), 10u);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(result.frames[i].infrared, 100 + i);
}

TEST(Stream, AShortBufferIsPassedOverWithAWarning) {
  const auto shorten = [](GstBuffer* buffer, bool is_visible) {
    if (!is_visible && GST_BUFFER_PTS(buffer) == 120 * ms) gst_buffer_set_size(buffer, 100);
  };
  const Result result = fuse_streams({pictures(10, 25)}, {pictures(10, 25, 0, 100)}, "", shorten);
  EXPECT_EQ(result.error, "");
  ASSERT_EQ(result.frames.size(), 10u);
  EXPECT_EQ(result.frames[3].infrared, 3);
  EXPECT_EQ(result.frames[4].infrared, 104);
  EXPECT_EQ(result.warnings.size(), 1u);
  EXPECT_EQ(stat(result, "failures"), 1u);
}

}  // namespace
}  // namespace digfusion::test
