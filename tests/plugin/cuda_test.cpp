// SPDX-License-Identifier: LGPL-2.1-or-later
//
// CUDA memory through the element: GStreamer's CUDA library and elements, our module and the element are
// real, the driver is fake_cuda/'s, and the core the one of fake_core.h. Every address of the fake device
// that the host touches ends the test.
#define GST_USE_UNSTABLE_API
#include <dlfcn.h>
#include <gst/base/gstaggregator.h>
#include <gst/cuda/gstcudabufferpool.h>
#include <gst/cuda/gstcudacontext.h>
#include <gst/cuda/gstcudaloader.h>
#include <gst/cuda/gstcudamemory.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "tests/plugin/fake_cuda/fake_cuda.h"
#include "tests/plugin/rig.h"

namespace digfusion::test {
namespace {

FakeCudaLog& fake_cuda() {
  static FakeCudaLog* log = [] {
    void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    const auto find =
        reinterpret_cast<decltype(&fake_cuda_log)>(driver ? dlsym(driver, "fake_cuda_log") : nullptr);
    if (!find) throw std::runtime_error("the driver isn't the fake one: LD_LIBRARY_PATH must have it first");
    return find();
  }();
  return *log;
}

std::string on_device(const std::string& format, int width = 64, int height = 48) {
  std::string caps = caps_text(format, width, height);
  return caps.insert(std::string("video/x-raw").size(), "(memory:CUDAMemory)");
}

bool is_on_device(GstBuffer* buffer) {
  return gst_buffer_n_memory(buffer) == 1 && gst_is_cuda_memory(gst_buffer_peek_memory(buffer, 0));
}

bool is_of_cuda_memory(GstCaps* caps, guint index = 0) {
  return gst_caps_features_contains(gst_caps_get_features(caps, index), GST_CAPS_FEATURE_MEMORY_CUDA_MEMORY);
}

/// Starts with a clean log, and sees that nothing is left on the device and nothing was done wrong.
class Cuda : public testing::Test {
 protected:
  void SetUp() override {
    if (!gst_cuda_load_library())
      GTEST_SKIP() << "this GStreamer wants more of a driver than the fake one has";
    gst_cuda_memory_init_once();
    for (auto* count : {&fake_cuda().uploads, &fake_cuda().downloads, &fake_cuda().device_copies,
                        &fake_cuda().peer_copies, &fake_cuda().mistakes})
      *count = 0;
    fake_core_log().device_sources = fake_core_log().device_outputs = 0;
  }
  void TearDown() override {
    // GStreamer lets a thread of its own have the last reference to a pipeline sometimes.
    for (int n = 0; n < 100 && fake_cuda().primaries + fake_cuda().contexts > 0; ++n) g_usleep(50'000);
    EXPECT_EQ(fake_cuda().mistakes, 0);
    EXPECT_EQ(fake_core_log().out_of_turn, 0);
    EXPECT_EQ(fake_cuda().device_pieces, 0);
    EXPECT_EQ(fake_cuda().pinned_pieces, 0);
    EXPECT_EQ(fake_cuda().contexts, 0);
    EXPECT_EQ(fake_cuda().primaries, 0);
  }
  const Environment core_on_gpu_{"DIGFUSION_FAKE_DEVICE", "cuda:0"};
};

/// What came out of a pipeline with appsrcs named v and i, fed with pictures of 40.. and 90.., and an
/// appsink.
struct Out {
  std::vector<Fused> frames;
  std::vector<bool> on_device;
  int downloads = 0;  ///< before this test looked at the pictures
  std::string caps, error;
};

struct In {
  std::string visible_caps, infrared_caps;
  std::vector<Picture> infrared = pictures(3, 25, 0, 90), visible = pictures(3, 25, 0, 40);
};

Out run(const std::string& description, const In& in) {
  Out out;
  Pipeline p(description);
  for (const bool is_visible : {true, false}) {
    const std::string& text = is_visible ? in.visible_caps : in.infrared_caps;
    GstAppSrc* source = p.source(is_visible ? "v" : "i");
    GstCaps* caps = gst_caps_from_string(text.c_str());
    gst_app_src_set_caps(source, caps);
    gst_caps_unref(caps);
    for (const Picture& picture : is_visible ? in.visible : in.infrared)
      gst_app_src_push_buffer(source, make_buffer(text, picture));
    gst_app_src_end_of_stream(source);
  }
  gst_element_set_state(p.pipeline, GST_STATE_PLAYING);
  std::vector<GstSample*> samples;
  while (GstSample* sample = gst_app_sink_try_pull_sample(p.sink("out"), 10 * GST_SECOND))
    samples.push_back(sample);
  out.downloads = fake_cuda().downloads;
  for (GstSample* sample : samples) {
    GstBuffer* buffer = gst_sample_get_buffer(sample);
    out.on_device.push_back(is_on_device(buffer));
    out.frames.push_back(read_fused(buffer, gst_sample_get_caps(sample)));
    gchar* caps = gst_caps_to_string(gst_sample_get_caps(sample));
    out.caps = caps;
    g_free(caps);
    gst_sample_unref(sample);
  }
  if (GstMessage* message = gst_bus_pop_filtered(p.bus, GST_MESSAGE_ERROR)) {
    out.error = text_of(message);
    gst_message_unref(message);
  }
  return out;
}

constexpr const char* takes_both =
    "capsfilter caps=\"video/x-raw,format=NV12; video/x-raw(memory:CUDAMemory),format=NV12\"";
constexpr const char* upload = "cudaupload ! video/x-raw(memory:CUDAMemory)";

/// A pipeline whose visible and infrared pictures go through these on their way to `digfusion PROPERTIES`.
std::string pipeline(const std::string& visible, const std::string& infrared, const std::string& sink_caps,
                     const std::string& properties = "") {
  const auto source = [](const char* name) {
    return std::string("appsrc format=time max-buffers=0 max-bytes=0 name=") + name + " ! ";
  };
  return "digfusion name=f " + properties + " ! " + sink_caps + " ! appsink name=out sync=false " +
         source("v") + visible + " ! f.visible " + source("i") + infrared + " ! f.infrared";
}

void expect_fused(const Out& out, bool on_device, int count = 3) {
  EXPECT_EQ(out.error, "");
  ASSERT_EQ(out.frames.size(), static_cast<std::size_t>(count));
  for (int n = 0; n < count; ++n) {
    EXPECT_EQ(out.frames[n].visible, 40 + n);
    EXPECT_EQ(out.frames[n].infrared, 90 + n);
    EXPECT_EQ(out.on_device[n], on_device);
  }
}

TEST_F(Cuda, FromDeviceMemoryToDeviceMemoryNothingCrossesTheBus) {
  // Whether infrared is frozen is seen on the host.
  const Out out = run(pipeline(upload, upload, "video/x-raw(memory:CUDAMemory)", "frozen-infrared-after=0"),
                      {caps_text("NV12", 64, 48), caps_text("I420", 32, 24)});
  expect_fused(out, true);
  EXPECT_EQ(fake_core_log().device_sources, 6);
  EXPECT_EQ(fake_core_log().device_outputs, 3);
  EXPECT_EQ(out.downloads, 0);
  EXPECT_EQ(fake_cuda().peer_copies, 0) << "the neighbours use our context";
}

TEST_F(Cuda, VisibleOnTheDeviceAndInfraredInSystemMemoryAreFused) {
  const Out out = run(pipeline(upload, "identity", "video/x-raw(memory:CUDAMemory)"),
                      {caps_text("NV12", 64, 48), caps_text("GRAY16_LE", 32, 24)});
  expect_fused(out, true);
  EXPECT_EQ(fake_core_log().device_sources, 3);
  EXPECT_EQ(out.downloads, 0);
}

TEST_F(Cuda, VisibleInSystemMemoryAndInfraredOnTheDeviceAreFused) {
  const Out out = run(pipeline("identity", upload, "video/x-raw(memory:CUDAMemory)"),
                      {caps_text("I420", 64, 48), caps_text("NV12", 32, 24)});
  expect_fused(out, true);
  EXPECT_EQ(fake_core_log().device_sources, 3);
  EXPECT_EQ(fake_core_log().device_outputs, 3);
}

TEST_F(Cuda, TwoPairsAreMappedOnTheDeviceAtATime) {
  const Environment two("DIGFUSION_FAKE_IN_FLIGHT", "2"), slow("DIGFUSION_FAKE_FUSE_MS", "10");
  fake_core_log().most_begun = 0;
  const Out out = run(pipeline(upload, upload, "video/x-raw(memory:CUDAMemory)"),
                      {caps_text("NV12", 64, 48), caps_text("I420", 32, 24), pictures(30, 25, 0, 90),
                       pictures(30, 25, 0, 40)});
  expect_fused(out, true, 30);
  EXPECT_EQ(fake_core_log().device_outputs, 30);
  EXPECT_EQ(fake_core_log().most_begun, 2);
}

TEST_F(Cuda, EveryFormatOfDeviceMemoryIsFused) {
  for (const char* format : {"NV12", "P010_10LE", "I420", "YV12", "I420_10LE", "Y42B", "Y444", "YUY2", "UYVY",
                             "RGBA", "BGRA", "ARGB", "ABGR", "RGBx", "BGRx", "RGB", "BGR"}) {
    SCOPED_TRACE(format);
    expect_fused(run(pipeline(upload, upload, "video/x-raw(memory:CUDAMemory)"),
                     {caps_text(format, 66, 18), caps_text(format, 34, 20)}),
                 true);
  }
}

TEST_F(Cuda, DownstreamOfSystemMemoryGetsIt) {
  const Out out = run(pipeline(upload, "identity", "video/x-raw"),
                      {caps_text("NV12", 64, 48), caps_text("GRAY8", 32, 24)});
  expect_fused(out, false);
  EXPECT_EQ(fake_core_log().device_sources, 3);
  EXPECT_EQ(fake_core_log().device_outputs, 0);
}

TEST_F(Cuda, DownstreamThatTakesBothGetsWhatTheCoreHas) {
  const In in = {caps_text("NV12", 64, 48), caps_text("GRAY8", 32, 24)};
  const std::string both = pipeline("identity", "identity", takes_both);
  expect_fused(run(both, in), true);
  const Environment core_on_cpu("DIGFUSION_FAKE_DEVICE", "cpu");
  expect_fused(run(both, in), false);
}

TEST_F(Cuda, DownstreamThatTakesAnythingGetsTheMemoryOfTheVisiblePictures) {
  const In in = {caps_text("NV12", 64, 48), caps_text("GRAY8", 32, 24)};
  expect_fused(run(pipeline("identity", "identity", "identity"), in), false);
  expect_fused(run(pipeline(upload, "identity", "identity"), in), true);
}

TEST_F(Cuda, FormatsThatAreNotForDeviceMemoryStayInSystemMemory) {
  expect_fused(run(pipeline("identity", "identity", "identity"),
                   {caps_text("GRAY8", 64, 48), caps_text("GRAY8", 32, 24)}),
               false);
}

TEST_F(Cuda, ACoreOnTheProcessorFusesDeviceMemoryThroughTheHost) {
  const Environment core_on_cpu("DIGFUSION_FAKE_DEVICE", "cpu");
  for (const char* device : {"device=auto", "device=cpu"}) {
    SCOPED_TRACE(device);
    expect_fused(run(pipeline(upload, upload, "video/x-raw(memory:CUDAMemory)", device),
                     {caps_text("NV12", 64, 48), caps_text("NV12", 32, 24)}),
                 true);
    EXPECT_EQ(fake_core_log().device_sources, 0);
  }
}

TEST_F(Cuda, CudaDownloadTakesWhatComesOut) {
  expect_fused(run(pipeline(upload, upload, "video/x-raw(memory:CUDAMemory) ! cudadownload ! video/x-raw"),
                   {caps_text("NV12", 64, 48), caps_text("I420", 32, 24)}),
               false);
}

TEST_F(Cuda, AnotherDeviceOfTheMachineIsUsedWhereItIsNamed) {
  const Environment core("DIGFUSION_FAKE_DEVICE", "cuda:1");
  const Out out = run(pipeline(std::string("cudaupload cuda-device-id=1 ! video/x-raw(memory:CUDAMemory)"),
                               "identity", "video/x-raw(memory:CUDAMemory)", "device=cuda:1"),
                      {caps_text("NV12", 64, 48), caps_text("GRAY8", 32, 24)});
  expect_fused(out, true);
  EXPECT_EQ(fake_core_log().device_outputs, 3);
  EXPECT_EQ(fake_cuda().peer_copies, 0);
}

TEST_F(Cuda, MemoryOfAnotherContextIsCopiedWithinTheDevice) {
  // cudaupload on device 0, the core on device 1: of two contexts, as of an application's own.
  const Environment core("DIGFUSION_FAKE_DEVICE", "cuda:1");
  const std::string elsewhere = "cudaupload cuda-device-id=0 ! video/x-raw(memory:CUDAMemory)";
  const Out out = run(pipeline(elsewhere, elsewhere, "video/x-raw(memory:CUDAMemory)",
                               "device=cuda:1 frozen-infrared-after=0"),
                      {caps_text("NV12", 64, 48), caps_text("I420", 34, 24)});
  expect_fused(out, true);
  EXPECT_EQ(fake_core_log().device_sources, 6);
  EXPECT_EQ(fake_cuda().peer_copies, 3 * (2 + 3)) << "planes of NV12 and I420";
  EXPECT_EQ(out.downloads, 0);
}

TEST_F(Cuda, TheMemoryIsChosenWhenTheCoreIsLoaded) {
  const Environment slow("DIGFUSION_FAKE_LOAD_MS", "200"), core_on_cpu("DIGFUSION_FAKE_DEVICE", "cpu");
  expect_fused(run(pipeline("identity", "identity", takes_both, "device=auto"),
                   {caps_text("NV12", 64, 48), caps_text("GRAY8", 32, 24)}),
               false);
}

TEST_F(Cuda, APipelineStopsWhileTheCoreIsLoading) {
  const Environment slow("DIGFUSION_FAKE_LOAD_MS", "300");
  Pipeline p(std::string("digfusion name=f ! fakesink videotestsrc ! video/x-raw,format=NV12 ! ") + upload +
             " ! f.visible videotestsrc ! f.infrared");
  for (int n = 0; n < 2; ++n) {
    gst_element_set_state(p.pipeline, GST_STATE_PLAYING);
    g_usleep(100'000);
    EXPECT_EQ(gst_element_set_state(p.pipeline, GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
  }
  GstMessage* message = gst_bus_pop_filtered(p.bus, GST_MESSAGE_ERROR);
  EXPECT_FALSE(message) << text_of(message);
  if (message) gst_message_unref(message);
}

TEST_F(Cuda, APassedThroughPictureGetsTheMemoryOfTheOthers) {
  const Environment failing("DIGFUSION_FAKE_FAIL", "-1");
  const In in = {caps_text("NV12", 64, 48), caps_text("GRAY8", 32, 24)};
  for (const bool from_device : {false, true})
    for (const bool to_device : {false, true}) {
      SCOPED_TRACE(testing::Message() << from_device << to_device);
      const Out out = run(pipeline(from_device ? upload : "identity", "identity",
                                   to_device ? "video/x-raw(memory:CUDAMemory)" : "video/x-raw"),
                          in);
      ASSERT_EQ(out.frames.size(), 3u);
      EXPECT_EQ(out.on_device[0], to_device);
      EXPECT_EQ(out.frames[2].visible, 42);
      EXPECT_EQ(out.frames[2].infrared, 42);
    }
}

TEST_F(Cuda, BlackPicturesGetTheMemoryOfTheOthers) {
  const In in = {caps_text("NV12", 64, 48), caps_text("GRAY8", 32, 24), pictures(3, 25, 10 * GST_SECOND, 90)};
  const Out out =
      run(pipeline(upload, "identity", "video/x-raw(memory:CUDAMemory)", "infrared-loss-policy=blank"), in);
  ASSERT_GE(out.frames.size(), 3u);
  for (int n = 0; n < 3; ++n) {
    EXPECT_EQ(out.frames[n].visible, 16) << "black of NV12";
    EXPECT_TRUE(out.on_device[n]);
  }
}

TEST_F(Cuda, ABlackPictureWhileFlushingIsNoError) {
  Rig rig("infrared-loss-policy=blank max-infrared-age=0");
  gst_harness_set_sink_caps_str(rig.visible, on_device("NV12").c_str());
  rig.set_caps(caps_text("NV12", 64, 48), caps_text("GRAY8", 32, 24));
  rig.push_visible({40, 0, 40 * ms});
  rig.push_infrared({90, 0, 40 * ms});
  EXPECT_EQ(rig.pull().infrared, 90);
  GstBufferPool* pool = gst_aggregator_get_buffer_pool(GST_AGGREGATOR(rig.element));
  gst_buffer_pool_set_flushing(pool, TRUE);
  rig.push_infrared({91, GST_SECOND, 40 * ms});
  GstFlowReturn flow = GST_FLOW_OK;
  for (int n = 0; n < 100 && flow == GST_FLOW_OK; ++n, g_usleep(20'000))
    flow = gst_harness_push(rig.visible, make_buffer(caps_text("NV12", 64, 48), {41, 500 * ms, 40 * ms}));
  EXPECT_EQ(flow, GST_FLOW_FLUSHING);
  EXPECT_FALSE(rig.wait_message(GST_MESSAGE_ERROR, 0));
  gst_object_unref(pool);
}

TEST_F(Cuda, AfterALossPicturesOnTheDeviceAreFadedIn) {
  // Infrared pictures lie up to 40 ms from their visible ones, so the one at 80 ms has none.
  const In in = {caps_text("NV12", 64, 48),
                 caps_text("GRAY8", 32, 24),
                 {{90, 0, 40 * ms}, {90, 160 * ms, 40 * ms}},
                 pictures(5, 25, 0, 40)};
  const Out out = run(pipeline(upload, "identity", "video/x-raw(memory:CUDAMemory)",
                               "infrared-loss-policy=blank recovery-frames=1 max-infrared-age=10000000"),
                      in);
  ASSERT_EQ(out.frames.size(), 5u);
  EXPECT_EQ(out.frames[2].infrared, 16) << "black of NV12";
  EXPECT_NEAR(out.frames[3].infrared, (16 + 90) / 2, 1) << "half of the black is left";
  EXPECT_EQ(out.frames[4].infrared, 90);
  EXPECT_TRUE(out.on_device[3]);
}

TEST_F(Cuda, AFrozenCameraIsSeenOnTheDeviceToo) {
  // 30 visible pictures that change in places, and infrared ones that are all the same.
  Pipeline p(
      "videotestsrc pattern=ball num-buffers=30 ! video/x-raw,format=NV12,width=96,height=72,framerate=25/1 "
      "! cudaupload ! video/x-raw(memory:CUDAMemory) ! f.visible "
      "videotestsrc pattern=black num-buffers=30 ! video/x-raw,format=NV12,width=64,height=48,framerate=25/1 "
      "! cudaupload ! video/x-raw(memory:CUDAMemory) ! f.infrared "
      "digfusion name=f ! appsink name=out sync=false");
  gst_element_set_state(p.pipeline, GST_STATE_PLAYING);
  int count = 0;
  while (GstSample* sample = gst_app_sink_try_pull_sample(p.sink("out"), 10 * GST_SECOND)) {
    gst_sample_unref(sample);
    ++count;
  }
  EXPECT_EQ(count, 30);
  GstStructure* stats = nullptr;
  g_object_get(p.get("f"), "stats", &stats, nullptr);
  guint64 freezes = 0;
  gst_structure_get_uint64(stats, "infrared-freezes", &freezes);
  gst_structure_free(stats);
  EXPECT_EQ(freezes, 1u);
  EXPECT_LE(fake_cuda().downloads, 12 + 12) << "of 1.2 s, at most ten of each stream a second";
}

TEST_F(Cuda, TheVisiblePadPrefersDeviceMemory) {
  const Rig rig;
  for (const char* name : {"visible", "infrared"}) {
    GstPad* pad = gst_element_get_static_pad(rig.element, name);
    GstCaps* caps = gst_pad_query_caps(pad, nullptr);
    EXPECT_TRUE(is_of_cuda_memory(caps)) << name;
    EXPECT_FALSE(is_of_cuda_memory(caps, gst_caps_get_size(caps) - 1)) << name;
    GstCaps* gray = gst_caps_from_string(on_device("GRAY16_LE").c_str());
    EXPECT_FALSE(gst_caps_can_intersect(caps, gray)) << "GStreamer has no such CUDA memory";
    gst_caps_unref(gray);
    gst_caps_unref(caps);
    gst_object_unref(pad);
  }
}

TEST_F(Cuda, TheVisiblePadOffersInEitherMemoryTheFormatsOfDownstream) {
  const Rig rig;
  gst_harness_set_sink_caps_str(rig.visible, "video/x-raw, format=NV12, width=64, height=48");
  GstPad* pad = gst_element_get_static_pad(rig.element, "visible");
  for (const std::string& caps_string : {on_device("NV12"), caps_text("NV12", 64, 48)}) {
    GstCaps* caps = gst_caps_from_string(caps_string.c_str());
    EXPECT_TRUE(gst_pad_query_accept_caps(pad, caps)) << caps_string;
    gst_caps_unref(caps);
  }
  GstCaps* other = gst_caps_from_string(on_device("I420").c_str());
  EXPECT_FALSE(gst_pad_query_accept_caps(pad, other));
  gst_caps_unref(other);
  gst_object_unref(pad);
}

GstQuery* allocation_of(Rig& rig, const std::string& caps_string) {
  GstCaps* caps = gst_caps_from_string(caps_string.c_str());
  GstQuery* query = gst_query_new_allocation(caps, TRUE);
  EXPECT_TRUE(gst_pad_peer_query(rig.visible->srcpad, query));
  gst_caps_unref(caps);
  return query;
}

/// A buffer of the first pool that the query offers.
GstBuffer* buffer_of(GstQuery* query) {
  GstBufferPool* pool = nullptr;
  guint size = 0;
  if (gst_query_get_n_allocation_pools(query) > 0)
    gst_query_parse_nth_allocation_pool(query, 0, &pool, &size, nullptr, nullptr);
  if (!pool) return nullptr;
  GstBuffer* buffer = nullptr;
  EXPECT_TRUE(gst_buffer_pool_set_active(pool, TRUE));
  EXPECT_EQ(gst_buffer_pool_acquire_buffer(pool, &buffer, nullptr), GST_FLOW_OK);
  EXPECT_EQ(gst_buffer_get_size(buffer), size);
  gst_buffer_pool_set_active(pool, FALSE);
  gst_object_unref(pool);
  return buffer;
}

TEST_F(Cuda, UpstreamIsOfferedAPoolOfDeviceMemoryInOurContext) {
  Rig rig;
  rig.set_caps(on_device("NV12"), caps_text("GRAY8", 32, 24));
  GstQuery* query = allocation_of(rig, on_device("NV12"));
  EXPECT_TRUE(gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr));
  GstBuffer* buffer = buffer_of(query);
  gst_query_unref(query);
  ASSERT_TRUE(buffer);
  EXPECT_TRUE(is_on_device(buffer));
  gst_buffer_unref(buffer);
}

TEST_F(Cuda, UpstreamIsOfferedPinnedMemory) {
  Rig rig;
  rig.set_caps(caps_text("I420", 64, 48), caps_text("GRAY8", 32, 24));
  GstQuery* query = allocation_of(rig, caps_text("I420", 64, 48));
  EXPECT_EQ(gst_query_get_n_allocation_params(query), 1u);
  const int before = fake_cuda().pinned_pieces;
  GstBuffer* buffer = buffer_of(query);
  ASSERT_TRUE(buffer);
  EXPECT_GT(fake_cuda().pinned_pieces, before);
  EXPECT_FALSE(is_on_device(buffer));
  gst_query_unref(query);
  EXPECT_NE(gst_buffer_memset(buffer, 0, 7, 64), 0u);
  gst_buffer_unref(buffer);
}

TEST_F(Cuda, ACoreOnTheProcessorPinsNoMemory) {
  Rig rig("device=cpu");
  rig.set_caps(caps_text("I420", 64, 48), caps_text("GRAY8", 32, 24));
  GstQuery* query = allocation_of(rig, caps_text("I420", 64, 48));
  EXPECT_EQ(buffer_of(query), nullptr) << "upstream uses memory of its own";
  gst_query_unref(query);
  EXPECT_EQ(fake_cuda().pinned_pieces, 0);
  EXPECT_EQ(fake_cuda().primaries, 0) << "nothing is taken of the GPU";
}

TEST_F(Cuda, TheContextIsThePrimaryOneOfTheDevice) {
  for (const char* name : {"visible", "infrared", "src"}) {
    SCOPED_TRACE(name);
    GstElement* element = GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("digfusion", nullptr)));
    g_object_set(element, "device", "cuda:1", nullptr);
    GstQuery* query = gst_query_new_context("gst.cuda.context");
    GstPad* pad = gst_element_get_static_pad(element, name);
    // Before READY: neighbours that open first ask then.
    ASSERT_TRUE(gst_pad_query(pad, query));
    GstContext* context = nullptr;
    gst_query_parse_context(query, &context);
    guint device = 0;
    EXPECT_TRUE(gst_structure_get_uint(gst_context_get_structure(context), "cuda-device-id", &device));
    EXPECT_EQ(device, 1u);
    EXPECT_EQ(fake_cuda().primaries, 1);
    EXPECT_EQ(fake_cuda().contexts, 0);
    gst_object_unref(pad);
    gst_query_unref(query);
    gst_object_unref(element);
  }
}

TEST_F(Cuda, TwoElementsShareOneContext) {
  const Rig one, two;
  const auto context_of = [](const Rig& rig) {
    GstQuery* query = gst_query_new_context("gst.cuda.context");
    GstPad* pad = gst_element_get_static_pad(rig.element, "src");
    EXPECT_TRUE(gst_pad_query(pad, query));
    GstContext* context = nullptr;
    gst_query_parse_context(query, &context);
    GstCudaContext* cuda = nullptr;
    gst_structure_get(gst_context_get_structure(context), "gst.cuda.context", GST_TYPE_CUDA_CONTEXT, &cuda,
                      nullptr);
    gst_object_unref(cuda);  // the query has a reference
    gst_object_unref(pad);
    gst_query_unref(query);
    return cuda;
  };
  EXPECT_EQ(context_of(one), context_of(two));
}

TEST_F(Cuda, TheApplicationIsToldOfTheContext) {
  Rig rig;
  GstQuery* query = gst_query_new_context("gst.cuda.context");
  GstPad* pad = gst_element_get_static_pad(rig.element, "src");
  EXPECT_TRUE(gst_pad_query(pad, query));
  gst_object_unref(pad);
  gst_query_unref(query);
  GstMessage* message = rig.wait_message(GST_MESSAGE_HAVE_CONTEXT);
  ASSERT_TRUE(message);
  gst_message_unref(message);
}

}  // namespace
}  // namespace digfusion::test
