// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Modes that change while playing, and what they make of the output's caps.
#include <gst/controller/gstdirectcontrolbinding.h>
#include <gst/controller/gstinterpolationcontrolsource.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/plugin/rig.h"

namespace digfusion::test {
namespace {

void set_to(Rig& rig, const char* property, const char* value) {
  gst_util_set_object_arg(G_OBJECT(rig.element), property, value);
}

std::pair<int, int> output_size(Rig& rig) {
  GstCaps* caps = gst_pad_get_current_caps(rig.visible->sinkpad);
  GstVideoInfo info;
  EXPECT_TRUE(gst_video_info_from_caps(&info, caps));
  gst_caps_unref(caps);
  return {GST_VIDEO_INFO_WIDTH(&info), GST_VIDEO_INFO_HEIGHT(&info)};
}

/// Pair `n` at 25 fps.
void push(Rig& rig, int n) {
  rig.push_visible({40, n * 40 * ms, 40 * ms});
  rig.push_infrared({90, n * 40 * ms, 40 * ms});
}

using Size = std::pair<int, int>;

class WideFormats : public testing::TestWithParam<const char*> {};

TEST_P(WideFormats, SideBySideIsNegotiatedWhilePlayingAndBack) {
  Rig rig;
  rig.set_caps(caps_text(GetParam(), 34, 18), caps_text("GRAY8", 34, 18));
  int n = 0;
  for (const auto& [mode, size] : {std::pair{"fused", Size{34, 18}},
                                   {"side-by-side", Size{68, 18}},
                                   {"split", Size{34, 18}},
                                   {"picture-in-picture", Size{34, 18}},
                                   {"side-by-side", Size{68, 18}},
                                   {"visible", Size{34, 18}}}) {
    SCOPED_TRACE(mode);
    set_to(rig, "mode", mode);
    for (const int last = n + 2; n < last; ++n) {
      push(rig, n);
      const Fused fused = rig.pull();
      EXPECT_EQ(fused.visible, 40);
      EXPECT_EQ(fused.infrared, 90);
      EXPECT_EQ(fused.pts, n * 40 * ms);
      EXPECT_EQ(output_size(rig), size);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Formats, WideFormats,
                         testing::Values("I420", "NV12", "YUY2", "RGB", "BGRx", "GRAY8", "P010_10LE"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST(SideBySide, IsThereFromTheStart) {
  Rig rig("mode=side-by-side");
  rig.set_caps(caps_text("I420", 64, 48), caps_text("GRAY8", 64, 48));
  push(rig, 0);
  rig.pull();
  EXPECT_EQ(output_size(rig), (Size{128, 48}));
}

TEST(SideBySide, ItsBuffersAreAsLargeAsTheirCapsSay) {
  Rig rig("mode=side-by-side");
  rig.set_caps(caps_text("I420", 64, 48), caps_text("GRAY8", 64, 48));
  push(rig, 0);
  GstBuffer* buffer = gst_harness_pull(rig.visible);
  ASSERT_TRUE(buffer);
  EXPECT_EQ(gst_buffer_get_size(buffer), 128u * 48 * 3 / 2);
  gst_buffer_unref(buffer);
}

TEST(SideBySide, CapsAreAskedForInHalfTheWidth) {
  Rig rig("mode=side-by-side");
  gst_harness_set_sink_caps_str(rig.visible, "video/x-raw, format=I420, width=[100, 801], height=48");
  GstPad* pad = gst_element_get_static_pad(rig.element, "visible");
  GstCaps* caps = gst_pad_query_caps(pad, nullptr);
  ASSERT_EQ(gst_caps_get_size(caps), 1u);
  const GValue* width = gst_structure_get_value(gst_caps_get_structure(caps, 0), "width");
  EXPECT_EQ(gst_value_get_int_range_min(width), 50);
  EXPECT_EQ(gst_value_get_int_range_max(width), 400);
  gst_caps_unref(caps);
  gst_object_unref(pad);
  pad = gst_element_get_static_pad(rig.element, "src");
  caps = gst_pad_query_caps(pad, nullptr);
  GstCaps* largest = gst_caps_from_string(caps_text("I420", 8192, 2160).c_str());
  EXPECT_TRUE(gst_caps_can_intersect(caps, largest));
  gst_caps_unref(largest);
  gst_caps_unref(caps);
  gst_object_unref(pad);
}

TEST(SideBySide, ADownstreamThatCannotTakeItIsAClearError) {
  Rig rig;
  gst_harness_set_sink_caps_str(rig.visible, "video/x-raw, format=I420, width=64, height=48");
  rig.set_caps(caps_text("I420", 64, 48), caps_text("GRAY8", 64, 48));
  push(rig, 0);
  EXPECT_EQ(rig.pull().visible, 40);
  set_to(rig, "mode", "side-by-side");
  push(rig, 1);
  GstMessage* message = rig.wait_message(GST_MESSAGE_ERROR, 20 * GST_SECOND);
  ASSERT_TRUE(message);
  GError* error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  EXPECT_TRUE(g_error_matches(error, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION));
  const std::string text = error->message;
  EXPECT_NE(text.find("mode=side-by-side"), std::string::npos) << text;
  EXPECT_NE(text.find("128×48"), std::string::npos) << text;
  g_error_free(error);
  gst_message_unref(message);
}

/// Left and right half of a wide picture: its luma, or -1 where it isn't one.
std::pair<int, int> halves(GstBuffer* buffer, int width, int height) {
  GstMapInfo map;
  EXPECT_TRUE(gst_buffer_map(buffer, &map, GST_MAP_READ));
  const auto value_of = [&](int from) {
    int value = -1;
    for (int y = 0; y < height; ++y)
      for (int x = from; x < from + width / 2; ++x) {
        const int sample = map.data[y * width + x];
        if (value >= 0 && sample != value) return -1;
        value = sample;
      }
    return value;
  };
  const std::pair result{value_of(0), value_of(width / 2)};
  gst_buffer_unmap(buffer, &map);
  return result;
}

TEST(SideBySide, WhatIsSentUnfusedHasTheOutputsCaps) {
  for (const auto& [policy, left] : {std::pair{"pass", 40}, {"blank", 0}}) {
    SCOPED_TRACE(policy);
    Rig rig(std::string("mode=side-by-side max-failures=0 max-infrared-age=10000000 infrared-loss-policy=") +
            policy);
    rig.set_caps(caps_text("GRAY8", 32, 32), caps_text("GRAY8", 32, 32));
    push(rig, 0);
    rig.pull();
    rig.push_visible({40, 400 * ms, 40 * ms});
    rig.push_infrared({90, 2000 * ms, 40 * ms});
    GstBuffer* buffer = gst_harness_pull(rig.visible);
    ASSERT_TRUE(buffer);
    EXPECT_EQ(gst_buffer_get_size(buffer), 64u * 32u);
    EXPECT_EQ(halves(buffer, 64, 32), (std::pair{left, 0}));
    EXPECT_EQ(GST_BUFFER_PTS(buffer), 400 * ms);
    gst_buffer_unref(buffer);
    // And the mode may change meanwhile.
    set_to(rig, "mode", "fused");
    rig.push_visible({40, 440 * ms, 40 * ms});
    buffer = gst_harness_pull(rig.visible);
    ASSERT_TRUE(buffer);
    EXPECT_EQ(gst_buffer_get_size(buffer), 32u * 32u);
    EXPECT_EQ(output_size(rig), (Size{32, 32}));
    gst_buffer_unref(buffer);
  }
}

TEST(SideBySide, TheFusedPictureIsFadedInOverTheWideOne) {
  Rig rig("mode=side-by-side max-failures=0 max-infrared-age=10000000 recovery-frames=1");
  rig.set_caps(caps_text("GRAY8", 32, 32), caps_text("GRAY8", 32, 32));
  push(rig, 0);
  rig.pull();
  rig.push_visible({40, 400 * ms, 40 * ms});
  rig.push_infrared({40, 800 * ms, 40 * ms});
  gst_buffer_unref(gst_harness_pull(rig.visible));
  rig.push_visible({40, 800 * ms, 40 * ms});
  GstBuffer* buffer = gst_harness_pull(rig.visible);
  ASSERT_TRUE(buffer);
  const auto [left, right] = halves(buffer, 64, 32);
  EXPECT_EQ(left, 40);
  EXPECT_NEAR(right, 20, 1);  // half of it is the black beside the visible picture
  gst_buffer_unref(buffer);
}

void expect_colour_error(Rig& rig, const std::string& format, const std::string& property) {
  GstMessage* message = rig.wait_message(GST_MESSAGE_ERROR, 20 * GST_SECOND);
  ASSERT_TRUE(message);
  GError* error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  EXPECT_TRUE(g_error_matches(error, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION));
  const std::string text = error->message;
  for (const std::string& part : {format, "parameter " + property, property + "=none"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
  g_error_free(error);
  gst_message_unref(message);
}

TEST(Colours, AGrayOutputIsANegotiationError) {
  for (const char* format : {"GRAY8", "GRAY16_LE"})
    for (const auto& [property, value] : {std::pair{"palette", "iron"}, {"highlight-above", "30000"}}) {
      SCOPED_TRACE(property);
      Rig rig(std::string(property) + "=" + value);
      rig.set_caps(caps_text(format, 32, 32), caps_text("GRAY16_LE", 32, 32));
      gst_harness_push(rig.infrared, make_buffer(caps_text("GRAY16_LE", 32, 32), {90, 0, 40 * ms}));
      gst_harness_push(rig.visible, make_buffer(caps_text(format, 32, 32), {40, 0, 40 * ms}));
      expect_colour_error(rig, format, property);
    }
}

TEST(Colours, APaletteSetWhilePlayingGrayIsOneToo) {
  Rig rig;
  rig.set_caps(caps_text("GRAY8", 32, 32), caps_text("GRAY8", 32, 32));
  push(rig, 0);
  rig.pull();
  set_to(rig, "palette", "turbo");
  push(rig, 1);
  expect_colour_error(rig, "GRAY8", "palette");
}

TEST(Colours, AColouredOutputTakesThem) {
  Rig rig("palette=iron");
  rig.set_caps(caps_text("I420", 32, 32), caps_text("GRAY8", 32, 32));
  push(rig, 0);
  EXPECT_EQ(rig.pull().visible, 40);
  EXPECT_EQ(rig.wait_message(GST_MESSAGE_ERROR, 0), nullptr);
}

TEST(Views, TheModeIsControllable) {
  Rig rig;
  rig.set_caps(caps_text("GRAY8", 32, 32), caps_text("GRAY8", 32, 32));
  GstControlSource* source = gst_interpolation_control_source_new();
  g_object_set(source, "mode", GST_INTERPOLATION_MODE_NONE, nullptr);
  gst_object_add_control_binding(GST_OBJECT(rig.element),
                                 gst_direct_control_binding_new(GST_OBJECT(rig.element), "mode", source));
  const auto from = [&](GstClockTime time, View mode) {  // 0..1 are the first to the last choice
    const double last = static_cast<double>(find_parameter("mode")->choices.size() - 1);
    gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(source), time,
                                       (static_cast<double>(mode) + .01) / last);
  };
  from(0, View::fused);
  from(80 * ms, View::side_by_side);
  from(160 * ms, View::infrared);
  gst_object_unref(source);
  for (int n = 0; n < 6; ++n) {
    push(rig, n);
    rig.pull();
    EXPECT_EQ(output_size(rig).first, n == 2 || n == 3 ? 64 : 32) << n;
  }
}

}  // namespace
}  // namespace digfusion::test
