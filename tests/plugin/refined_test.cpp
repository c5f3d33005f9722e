// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the core's registration-refine finds, on the bus and in `stats`.
#include <gtest/gtest.h>

#include "tests/plugin/rig.h"

namespace digfusion::test {
namespace {

Result fuse_thirty() { return fuse_streams(Stream{pictures(30, 25)}, Stream{pictures(30, 25, 0, 100)}); }

TEST(Refined, ACameraThatHasMovedIsToldOnce) {
  const Environment moved("DIGFUSION_FAKE_MOVED", "10");
  const Result result = fuse_thirty();
  EXPECT_EQ(result.elements, std::vector<std::string>{"digfusion-camera-moved"});
  const std::pair<const char*, double> expected[] = {
      {"refined-x", 3.5}, {"refined-y", -2}, {"refined-degrees", 0.5}, {"refinement-confidence", 0.75}};
  for (const auto& [name, value] : expected) {
    gdouble got = 0;
    ASSERT_TRUE(gst_structure_get_double(result.stats.get(), name, &got)) << name;
    EXPECT_EQ(got, value) << name;
  }
}

TEST(Refined, TheMessageSaysWhereThePictureBelongs) {
  const Environment moved("DIGFUSION_FAKE_MOVED", "1");
  Pipeline p(
      "digfusion name=f ! fakesink  videotestsrc num-buffers=5 ! video/x-raw,format=GRAY8 ! tee name=t  "
      "t. ! queue ! f.visible  t. ! queue ! f.infrared");
  gst_element_set_state(p.pipeline, GST_STATE_PLAYING);
  GstMessage* message = nullptr;
  while (!message) {
    message = gst_bus_timed_pop_filtered(p.bus, 20 * GST_SECOND, GST_MESSAGE_ELEMENT);
    ASSERT_TRUE(message) << "no message";
    if (!gst_message_has_name(message, "digfusion-camera-moved"))
      g_clear_pointer(&message, gst_message_unref);
  }
  gdouble x = 0, y = 0, degrees = 0, confidence = 0;
  EXPECT_TRUE(gst_structure_get(gst_message_get_structure(message), "x", G_TYPE_DOUBLE, &x, "y",
                                G_TYPE_DOUBLE, &y, "degrees", G_TYPE_DOUBLE, &degrees, "confidence",
                                G_TYPE_DOUBLE, &confidence, nullptr));
  EXPECT_EQ(x, 3.5);
  EXPECT_EQ(y, -2);
  EXPECT_EQ(degrees, 0.5);
  EXPECT_EQ(confidence, 0.75);
  gst_message_unref(message);
}

TEST(Refined, NothingIsToldWhereNothingIsKnown) {
  const Result result = fuse_thirty();
  EXPECT_TRUE(result.elements.empty());
  EXPECT_FALSE(gst_structure_has_field(result.stats.get(), "refined-x"));
}

}  // namespace
}  // namespace digfusion::test
