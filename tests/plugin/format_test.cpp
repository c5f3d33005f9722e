// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Formats and sizes, and the element's place in negotiation.
#include <gtest/gtest.h>

#include "tests/plugin/rig.h"

namespace digfusion::test {
namespace {

constexpr const char* formats[] = {"I420", "NV12", "YV12", "Y42B",  "Y444",      "YUY2",      "UYVY",
                                   "RGB",  "BGR",  "RGBx", "BGRx",  "xRGB",      "xBGR",      "RGBA",
                                   "BGRA", "ARGB", "ABGR", "GRAY8", "GRAY16_LE", "P010_10LE", "I420_10LE"};

class EveryFormat : public testing::TestWithParam<const char*> {};

TEST_P(EveryFormat, FusesWithEveryInfraredFormat) {
  for (const char* infrared : formats) {
    SCOPED_TRACE(infrared);
    Rig rig;
    rig.set_caps(caps_text(GetParam(), 33, 18), caps_text(infrared, 33, 18));
    rig.push_visible({40, 0, 40 * ms});
    rig.push_infrared({90, 0, 40 * ms});
    const Fused fused = rig.pull();
    EXPECT_EQ(fused.visible, 40);
    EXPECT_EQ(fused.infrared, 90);
    GstCaps* caps = gst_pad_get_current_caps(rig.visible->sinkpad);
    EXPECT_STREQ(gst_structure_get_string(gst_caps_get_structure(caps, 0), "format"), GetParam());
    gst_caps_unref(caps);
  }
}
INSTANTIATE_TEST_SUITE_P(Formats, EveryFormat, testing::ValuesIn(formats),
                         [](const auto& info) { return std::string(info.param); });

TEST(Sizes, InfraredOfAnotherSizeIsFused) {
  const std::pair<int, int> sizes[] = {{16, 16}, {160, 120}, {641, 17}};
  for (const auto& [width, height] : sizes) {
    Rig rig;
    rig.set_caps(caps_text("I420", 64, 48), caps_text("GRAY16_LE", width, height));
    rig.push_visible({40, 0, 40 * ms});
    rig.push_infrared({90, 0, 40 * ms});
    EXPECT_EQ(rig.pull().infrared, 90);
  }
}

TEST(BigEndian, IsTakenOfTheInfraredCameraAlone) {
  Rig rig;
  rig.set_caps(caps_text("I420", 64, 48), caps_text("GRAY16_BE", 32, 24));
  rig.push_visible({40, 0, 40 * ms});
  rig.push_infrared({90, 0, 40 * ms});
  EXPECT_EQ(rig.pull().infrared, 90);
  GstPad* pad = gst_element_get_static_pad(rig.element, "visible");
  GstCaps* caps = gst_caps_from_string(caps_text("GRAY16_BE", 64, 48).c_str());
  EXPECT_FALSE(gst_pad_query_accept_caps(pad, caps));
  gst_caps_unref(caps);
  gst_object_unref(pad);
}

TEST(Negotiation, TheOutputHasTheVisibleCaps) {
  Rig rig;
  const std::string visible =
      "video/x-raw, format=I420, width=64, height=48, framerate=24000/1001, pixel-aspect-ratio=16/15, "
      "colorimetry=bt709, chroma-site=mpeg2, interlace-mode=progressive, multiview-mode=mono";
  rig.set_caps(visible, caps_text("GRAY8", 32, 32, 9));
  rig.push_visible({40, 0, 40 * ms});
  rig.push_infrared({90, 0, 110 * ms});
  rig.pull();
  GstCaps* expected = gst_caps_from_string(visible.c_str());
  GstCaps* caps = gst_pad_get_current_caps(rig.visible->sinkpad);
  EXPECT_TRUE(gst_caps_is_equal(caps, expected)) << gst_caps_to_string(caps);
  gst_caps_unref(caps);
  gst_caps_unref(expected);
}

TEST(Negotiation, TheVisiblePadOffersWhatDownstreamTakes) {
  Rig rig;
  gst_harness_set_sink_caps_str(rig.visible, "video/x-raw, format=NV12, width=64, height=48");
  GstPad* pad = gst_element_get_static_pad(rig.element, "visible");
  GstCaps* caps = gst_pad_query_caps(pad, nullptr);
  EXPECT_TRUE(gst_caps_is_fixed(caps) || gst_caps_get_size(caps) == 1);
  EXPECT_STREQ(gst_structure_get_string(gst_caps_get_structure(caps, 0), "format"), "NV12");
  gst_caps_unref(caps);
  gst_object_unref(pad);
  pad = gst_element_get_static_pad(rig.element, "infrared");
  caps = gst_pad_query_caps(pad, nullptr);
  GstCaps* grey = gst_caps_from_string("video/x-raw, format=GRAY16_LE, width=640, height=512, framerate=9/1");
  EXPECT_TRUE(gst_caps_is_subset(grey, caps));
  gst_caps_unref(grey);
  gst_caps_unref(caps);
  gst_object_unref(pad);
}

TEST(Negotiation, CapsThatCannotBeFusedAreRefused) {
  for (const char* text : {"video/x-raw, format=GRAY8, width=15, height=64, framerate=25/1",
                           "video/x-raw, format=GRAY8, width=64, height=4097, framerate=25/1",
                           "video/x-raw, format=GRAY8, width=2161, height=2161, framerate=25/1",
                           "video/x-raw, format=v210, width=64, height=64, framerate=25/1", "video/x-h264"}) {
    Rig rig;
    for (const char* name : {"visible", "infrared"}) {
      GstPad* pad = gst_element_get_static_pad(rig.element, name);
      GstCaps* caps = gst_caps_from_string(text);
      EXPECT_FALSE(gst_pad_query_accept_caps(pad, caps)) << name << ": " << text;
      gst_caps_unref(caps);
      gst_object_unref(pad);
    }
  }
}

TEST(Negotiation, TheLargestSizeIsTakenEitherWayRound) {
  const Rig rig;
  GstPad* pad = gst_element_get_static_pad(rig.element, "visible");
  for (const auto& [width, height] : {std::pair{4096, 2160}, std::pair{2160, 4096}}) {
    GstCaps* caps = gst_caps_from_string(caps_text("GRAY8", width, height).c_str());
    EXPECT_TRUE(gst_pad_query_accept_caps(pad, caps)) << width << "x" << height;
    gst_caps_unref(caps);
  }
  gst_object_unref(pad);
}

TEST(Allocation, VideoMetaIsOfferedUpstream) {
  Rig rig;
  rig.set_caps(caps_text("I420", 64, 48), caps_text("GRAY8", 64, 48));
  GstCaps* caps = gst_caps_from_string(caps_text("I420", 64, 48).c_str());
  GstQuery* query = gst_query_new_allocation(caps, TRUE);
  EXPECT_TRUE(gst_pad_peer_query(rig.visible->srcpad, query));
  EXPECT_TRUE(gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr));
  gst_query_unref(query);
  gst_caps_unref(caps);
}

TEST(Allocation, UpstreamIsToldHowManyPicturesAreKept) {
  for (const auto& [properties, kept] :
       {std::pair{"device=cpu", 3u}, {"device=cuda", 4u}, {"device=cuda frames-in-flight=1", 3u}}) {
    SCOPED_TRACE(properties);
    Rig rig(properties);
    rig.set_caps(caps_text("I420", 64, 48), caps_text("GRAY8", 64, 48));
    GstCaps* caps = gst_caps_from_string(caps_text("I420", 64, 48).c_str());
    GstQuery* query = gst_query_new_allocation(caps, TRUE);
    EXPECT_TRUE(gst_pad_peer_query(rig.visible->srcpad, query));
    guint least = 0;
    ASSERT_GE(gst_query_get_n_allocation_pools(query), 1u);
    gst_query_parse_nth_allocation_pool(query, 0, nullptr, nullptr, &least, nullptr);
    EXPECT_EQ(least, kept);
    gst_query_unref(query);
    gst_caps_unref(caps);
  }
}

TEST(Allocation, DownstreamsPoolHasThoseInFlightOnTop) {
  for (const auto& [properties, kept] : {std::pair{"device=cpu", 2u}, {"device=cuda", 3u}}) {
    SCOPED_TRACE(properties);
    GstBufferPool* pool = gst_buffer_pool_new();
    Rig rig(properties);
    rig.answer_allocation(
        [pool](GstQuery* query) { gst_query_add_allocation_pool(query, pool, 64 * 48, 2, 0); });
    rig.set_caps(caps_text("GRAY8", 64, 48), caps_text("GRAY8", 64, 48));
    rig.push_infrared({90, 0, 40 * ms});
    rig.push_visible({40, 0, 40 * ms});
    EXPECT_EQ(rig.pull().visible, 40);
    GstStructure* config = gst_buffer_pool_get_config(pool);
    guint least = 0;
    EXPECT_TRUE(gst_buffer_pool_config_get_params(config, nullptr, nullptr, &least, nullptr));
    EXPECT_EQ(least, kept);
    gst_structure_free(config);
    gst_object_unref(pool);
  }
}

/// 32×16 samples of 55 in rows of 80 bytes that begin after `start` bytes; 255 all around.
GstBuffer* padded_picture(gsize start) {
  const gsize size = start + 16 * 80;
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, size, nullptr);
  gst_buffer_memset(buffer, 0, 255, size);
  for (gsize y = 0; y < 16; ++y) gst_buffer_memset(buffer, start + 80 * y, 55, 32);
  gsize offset[GST_VIDEO_MAX_PLANES] = {start};
  gint stride[GST_VIDEO_MAX_PLANES] = {80};
  gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, 32, 16, 1, offset,
                                 stride);
  GST_BUFFER_PTS(buffer) = 0;
  GST_BUFFER_DURATION(buffer) = 40 * ms;
  return buffer;
}

TEST(Allocation, PaddedRowsAreReadAsTheirVideoMetaSays) {
  const std::string caps = caps_text("GRAY8", 32, 16);
  Rig rig;
  rig.set_caps(caps, caps);
  gst_harness_push(rig.visible, padded_picture(100));
  rig.push_infrared({90, 0, 40 * ms});
  const Fused fused = rig.pull();
  EXPECT_EQ(fused.visible, 55);
  EXPECT_EQ(fused.infrared, 90);
}

TEST(Allocation, APassedThroughPicturesPaddingIsRemovedForADownstreamWithoutVideoMeta) {
  const Environment failing("DIGFUSION_FAKE_FAIL", "-1");
  const std::string caps = caps_text("GRAY8", 32, 16);
  Rig rig;
  rig.set_caps(caps, caps);
  gst_harness_push(rig.visible, padded_picture(0));
  rig.push_infrared({90, 0, 40 * ms});
  GstBuffer* out = gst_harness_pull(rig.visible);
  ASSERT_TRUE(out);
  EXPECT_EQ(gst_buffer_get_size(out), 32u * 16u);
  EXPECT_FALSE(gst_buffer_get_video_meta(out));
  gst_buffer_unref(out);
}

TEST(Interlaced, PicturesAreFusedWithAWarningThatNamesTheRemedy) {
  Stream visible{pictures(10, 25)}, infrared{pictures(10, 25, 0, 100)};
  infrared.caps += ",interlace-mode=interleaved";
  const Result result = fuse_streams(visible, infrared);
  EXPECT_EQ(result.frames.size(), 10u);
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_NE(result.warnings[0].find("infrared stream is interlaced"), std::string::npos)
      << result.warnings[0];
  EXPECT_NE(result.warnings[0].find("deinterlace"), std::string::npos);
  infrared.caps = visible.caps;
  EXPECT_TRUE(fuse_streams(visible, infrared).warnings.empty());
}

}  // namespace
}  // namespace digfusion::test
