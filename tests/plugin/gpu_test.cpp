// SPDX-License-Identifier: LGPL-2.1-or-later
//
// CUDA memory on a machine that has a GPU: the real driver, GStreamer's elements (plugin nvcodec) and the
// core. Skipped where one of them is missing. `meson test -C build 'plugin gpu' --verbose` says what was run.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/plugin/rig.h"

namespace digfusion::test {
namespace {

bool has_element(const char* name) {
  GstElementFactory* factory = gst_element_factory_find(name);
  if (factory) gst_object_unref(factory);
  return factory != nullptr;
}

/// Whether the element says that it has CUDA memory here.
bool takes_cuda_memory() {
  GstElement* element = GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("digfusion", nullptr)));
  GstPad* pad = gst_element_get_static_pad(element, "infrared");
  GstCaps* caps = gst_pad_query_caps(pad, nullptr);
  GstCaps* cuda = gst_caps_from_string("video/x-raw(memory:CUDAMemory)");
  const bool takes = gst_caps_can_intersect(caps, cuda);
  gst_caps_unref(cuda);
  gst_caps_unref(caps);
  gst_object_unref(pad);
  gst_object_unref(element);
  return takes;
}

struct Output {
  std::vector<std::vector<guint8>> frames;  ///< luma, without padding
  std::string device, error;
  std::vector<std::string> warnings;
};

/// Runs a pipeline with a digfusion named f and an appsink named out.
Output run(const std::string& description) {
  Output output;
  Pipeline p(description);
  gst_element_set_state(p.pipeline, GST_STATE_PLAYING);
  while (GstSample* sample = gst_app_sink_try_pull_sample(p.sink("out"), 60 * GST_SECOND)) {
    GstVideoInfo info;
    GstVideoFrame frame;
    EXPECT_TRUE(gst_video_info_from_caps(&info, gst_sample_get_caps(sample)));
    EXPECT_TRUE(gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample), GST_MAP_READ));
    std::vector<guint8>& luma = output.frames.emplace_back();
    for (int y = 0; y < GST_VIDEO_FRAME_HEIGHT(&frame); ++y) {
      const auto* row = static_cast<const guint8*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0)) +
                        std::ptrdiff_t{y} * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0);
      luma.insert(luma.end(), row, row + GST_VIDEO_FRAME_WIDTH(&frame));
    }
    gst_video_frame_unmap(&frame);
    gst_sample_unref(sample);
  }
  GstStructure* stats = nullptr;
  g_object_get(p.get("f"), "stats", &stats, nullptr);
  if (const char* device = gst_structure_get_string(stats, "device")) output.device = device;
  gst_structure_free(stats);
  constexpr auto types = static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
  while (GstMessage* message = gst_bus_pop_filtered(p.bus, types)) {
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING)
      output.warnings.push_back(text_of(message));
    else if (output.error.empty())
      output.error = text_of(message);
    gst_message_unref(message);
  }
  return output;
}

constexpr int frames = 30;
constexpr const char* cuda = " ! cudaupload ! video/x-raw(memory:CUDAMemory)";

/// The generated scene as NV12, fused on a GPU; each of the three streams passes through what is given for
/// it.
std::string scene(const std::string& visible, const std::string& infrared, const std::string& output) {
  return "digtestsrc name=s pattern=night num-buffers=" + std::to_string(frames) +
         " s.visible ! video/x-raw,format=NV12,width=640,height=512,framerate=25/1" + visible +
         " ! queue ! f.visible s.infrared ! video/x-raw,format=GRAY8,width=640,height=512,framerate=25/1" +
         infrared + " ! queue ! f.infrared digfusion name=f device=cuda" + output +
         " ! appsink name=out sync=false";
}

class Gpu : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_element("cudaupload"))
      GTEST_SKIP() << "GStreamer has no cudaupload: no NVIDIA GPU or driver, or no plugin nvcodec";
    if (!takes_cuda_memory())
      GTEST_SKIP() << "digfusion has no CUDA memory here; GST_DEBUG=digfusion:4 says why";
    const Output tried = run(scene("", "", ""));
    if (!tried.error.empty()) GTEST_SKIP() << "the core doesn't compute on a GPU: " << tried.error;
    ASSERT_EQ(tried.device.substr(0, 4), "cuda");
    ASSERT_EQ(tried.frames.size(), static_cast<std::size_t>(frames));
    in_system_memory_ = tried.frames;
  }

  /// The same core has seen the same samples.
  static void expect_same(const Output& output, const std::vector<std::vector<guint8>>& expected) {
    EXPECT_EQ(output.error, "");
    EXPECT_EQ(output.warnings, std::vector<std::string>());
    ASSERT_EQ(output.frames.size(), expected.size());
    int difference = 0;
    for (std::size_t n = 0; n < expected.size(); ++n) {
      ASSERT_EQ(output.frames[n].size(), expected[n].size());
      for (std::size_t i = 0; i < expected[n].size(); ++i)
        difference = std::max(difference, std::abs(int{output.frames[n][i]} - int{expected[n][i]}));
    }
    EXPECT_LE(difference, 1) << "of 255";
  }

  std::vector<std::vector<guint8>> in_system_memory_;
};

TEST_F(Gpu, VisibleFromCudaMemory) { expect_same(run(scene(cuda, "", " ! video/x-raw")), in_system_memory_); }

TEST_F(Gpu, FromCudaMemoryToCudaMemory) {
  const std::string out = " ! video/x-raw(memory:CUDAMemory) ! cudadownload ! video/x-raw";
  expect_same(run(scene(cuda, "", out)), in_system_memory_);
  // Infrared as a decoder gives it.
  const std::string decoded = " ! videoconvert ! video/x-raw,format=NV12";
  expect_same(run(scene(cuda, decoded + cuda, out)), run(scene("", decoded, "")).frames);
}

TEST_F(Gpu, ToCudaMemoryFromSystemMemory) {
  expect_same(run(scene("", "", " ! video/x-raw(memory:CUDAMemory) ! cudadownload ! video/x-raw")),
              in_system_memory_);
}

TEST_F(Gpu, FromDecoderToEncoder) {
  for (const char* name : {"nvh264enc", "nvh264dec", "h264parse"})
    if (!has_element(name)) GTEST_SKIP() << "GStreamer has no " << name << " on this GPU";
  const std::string coded = " ! nvh264enc ! h264parse ! nvh264dec ! video/x-raw(memory:CUDAMemory)";
  // Decoded once more for the appsink.
  const std::string out =
      " ! video/x-raw(memory:CUDAMemory) ! nvh264enc ! h264parse ! nvh264dec ! cudadownload"
      " ! video/x-raw,format=NV12";
  const Output whole = run(scene(coded, "", out));
  EXPECT_EQ(whole.error, "");
  EXPECT_EQ(whole.frames.size(), static_cast<std::size_t>(frames));
}

TEST_F(Gpu, MemoryOfAnotherContextIsTaken) {
  // A pipeline of its own has made a context of its own; through appsrc its pictures come without being
  // asked.
  Pipeline other(
      "videotestsrc num-buffers=1 pattern=gradient ! video/x-raw,format=NV12,width=640,height=512 ! "
      "cudaupload ! video/x-raw(memory:CUDAMemory) ! appsink name=out sync=false");
  gst_element_set_state(other.pipeline, GST_STATE_PLAYING);
  GstSample* sample = gst_app_sink_try_pull_sample(other.sink("out"), 60 * GST_SECOND);
  ASSERT_TRUE(sample);
  Pipeline p(
      "appsrc name=v format=time ! f.visible appsrc name=i format=time ! f.infrared "
      "digfusion name=f device=cuda ! cudadownload ! video/x-raw ! appsink name=out sync=false");
  for (const char* name : {"v", "i"}) {
    gst_app_src_set_caps(p.source(name), gst_sample_get_caps(sample));
    GstBuffer* buffer = gst_buffer_copy(gst_sample_get_buffer(sample));
    GST_BUFFER_PTS(buffer) = 0;
    gst_app_src_push_buffer(p.source(name), buffer);
    gst_app_src_end_of_stream(p.source(name));
  }
  gst_sample_unref(sample);
  gst_element_set_state(p.pipeline, GST_STATE_PLAYING);
  GstSample* fused = gst_app_sink_try_pull_sample(p.sink("out"), 60 * GST_SECOND);
  EXPECT_TRUE(fused);
  if (fused) gst_sample_unref(fused);
  GstMessage* message =
      gst_bus_pop_filtered(p.bus, static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_WARNING));
  EXPECT_FALSE(message) << text_of(message);
  if (message) gst_message_unref(message);
}

}  // namespace
}  // namespace digfusion::test
