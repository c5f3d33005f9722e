// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The pipelines of docs/cameras.md: each is parsed, and those with cameras run with test pictures of the same
// caps in the camera's place.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include "tests/plugin/rig.h"

namespace digfusion::test {
namespace {

/// What comes after "gst-launch-1.0" and its options in the lines of the page.
std::vector<std::string> pipelines_of_the_page() {
  std::ifstream page(std::string(std::getenv("DIGFUSION_SOURCE")) + "/docs/cameras.md");
  EXPECT_TRUE(page.is_open());
  std::vector<std::string> pipelines;
  std::string whole;
  for (std::string line; std::getline(page, line);) {
    const bool goes_on = line.ends_with('\\');
    if (goes_on) line.pop_back();
    whole += line;
    if (goes_on) continue;
    std::smatch found;
    if (std::regex_match(whole, found, std::regex(R"(\s*gst-launch-1\.0 +(?:-\w +)*(.*))")))
      pipelines.push_back(found[1]);
    whole.clear();
  }
  return pipelines;
}

bool has_camera(const std::string& pipeline) {
  return std::regex_search(pipeline, std::regex("(v4l2|rtsp|aravis)src"));
}

std::string replaced(std::string text, const char* what, const char* with) {
  return std::regex_replace(text, std::regex(what), with);
}

/// The same with test pictures in the place of cameras, and nothing shown.
std::string with_test_pictures(std::string pipeline) {
  const std::string pictures = "videotestsrc is-live=true num-buffers=12 ! ";
  pipeline = replaced(pipeline, R"(v4l2src[^!]*! *image/jpeg([^!]*)! *jpegdec)",
                      (pictures + "video/x-raw$1! jpegenc ! jpegdec").c_str());
  pipeline = replaced(pipeline, R"(rtspsrc[^!]*! *rtph264depay *! *avdec_h264 *! )", pictures.c_str());
  pipeline = replaced(pipeline, R"((v4l2|aravis)src[^!]*! )", pictures.c_str());
  return replaced(pipeline, "autovideosink", "fakesink name=out");
}

TEST(Cameras, EveryPipelineOfThePageIsParsed) {
  const std::vector<std::string> pipelines = pipelines_of_the_page();
  EXPECT_GE(pipelines.size(), 10u);
  for (std::string pipeline : pipelines) {
    SCOPED_TRACE(pipeline);
    GstElementFactory* aravis = gst_element_factory_find("aravissrc");  // mostly not there
    if (aravis)
      gst_object_unref(aravis);
    else
      pipeline = replaced(pipeline, "aravissrc camera-name=[^ ]+", "videotestsrc");
    GError* error = nullptr;
    GstElement* parsed =
        gst_parse_launch_full(pipeline.c_str(), nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &error);
    EXPECT_FALSE(error) << error->message;
    if (error) g_error_free(error);
    if (parsed) gst_object_unref(gst_object_ref_sink(parsed));
  }
}

TEST(Cameras, EveryPipelineFusesWithTestPicturesInTheirPlace) {
  int run = 0;
  for (const std::string& pipeline : pipelines_of_the_page()) {
    if (!has_camera(pipeline)) continue;
    const std::string description = with_test_pictures(pipeline);
    SCOPED_TRACE(description);
    ASSERT_FALSE(has_camera(description));
    Pipeline p(description);
    gst_element_set_state(p.pipeline, GST_STATE_PLAYING);
    GstMessage* message = gst_bus_timed_pop_filtered(
        p.bus, 30 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    ASSERT_TRUE(message) << "it does not end";
    EXPECT_EQ(text_of(message), "");
    gst_message_unref(message);
    GstStructure* stats = nullptr;
    g_object_get(p.get("f"), "stats", &stats, nullptr);
    guint64 frames = 0, failures = 0;
    gst_structure_get_uint64(stats, "frames", &frames);
    gst_structure_get_uint64(stats, "failures", &failures);
    gst_structure_free(stats);
    EXPECT_GE(frames, 4u);
    EXPECT_LT(failures, frames) << "none was fused";
    ++run;
  }
  EXPECT_GE(run, 7);
}

}  // namespace
}  // namespace digfusion::test
