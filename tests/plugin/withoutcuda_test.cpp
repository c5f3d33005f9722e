// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The element on machines without CUDA memory. Run several times, each time for another reason why there is
// none (meson.build): no driver, a driver without a GPU, no module. And what becomes of a device that fails.
#include <gtest/gtest.h>

#include <string>

#include "tests/plugin/rig.h"

namespace digfusion::test {
namespace {

constexpr const char* cuda_caps =
    "video/x-raw(memory:CUDAMemory), format=NV12, width=64, height=48, framerate=25/1";

GstCaps* caps_of(GstElement* element, const char* name) {
  GstPad* pad = gst_element_get_static_pad(element, name);
  GstCaps* caps = gst_pad_query_caps(pad, nullptr);
  gst_object_unref(pad);
  return caps;
}

TEST(WithoutCuda, NoPadOffersCudaMemory) {
  GstElement* element = GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("digfusion", nullptr)));
  for (const auto state : {GST_STATE_NULL, GST_STATE_READY}) {
    gst_element_set_state(element, state);
    for (const char* name : {"visible", "infrared", "src"}) {
      GstCaps* caps = caps_of(element, name);
      GstCaps* cuda = gst_caps_from_string(cuda_caps);
      EXPECT_FALSE(gst_caps_is_empty(caps)) << name;
      EXPECT_FALSE(gst_caps_can_intersect(caps, cuda)) << name;
      gst_caps_unref(cuda);
      gst_caps_unref(caps);
    }
  }
  gst_element_set_state(element, GST_STATE_NULL);
  gst_object_unref(element);
}

TEST(WithoutCuda, CapsOfCudaMemoryAreRefused) {
  const Rig rig;
  for (const char* name : {"visible", "infrared"}) {
    GstPad* pad = gst_element_get_static_pad(rig.element, name);
    GstCaps* caps = gst_caps_from_string(cuda_caps);
    EXPECT_FALSE(gst_pad_query_accept_caps(pad, caps)) << name;
    gst_caps_unref(caps);
    gst_object_unref(pad);
  }
}

TEST(WithoutCuda, PicturesInSystemMemoryAreFused) {
  const Result result = fuse_streams({pictures(5, 25, 0, 10), caps_text("NV12", 64, 48)},
                                     {pictures(5, 25, 0, 100), caps_text("GRAY16_LE", 32, 24)});
  EXPECT_EQ(result.error, "");
  ASSERT_EQ(result.frames.size(), 5u);
  EXPECT_EQ(result.frames[4].visible, 14);
  EXPECT_EQ(result.frames[4].infrared, 104);
}

TEST(WithoutCuda, AQueryForAContextIsNotAnswered) {
  const Rig rig("device=cuda:0");
  GstQuery* query = gst_query_new_context("gst.cuda.context");
  GstPad* pad = gst_element_get_static_pad(rig.element, "visible");
  EXPECT_FALSE(gst_pad_query(pad, query));
  gst_object_unref(pad);
  gst_query_unref(query);
}

TEST(Device, AFailureIsAnErrorThatNamesIt) {
  const Environment failing("DIGFUSION_FAKE_DEVICE_ERROR", "CUDA error: an illegal memory access");
  const Result result = fuse_streams({pictures(5, 25)}, {pictures(5, 25)});
  EXPECT_EQ(result.error, "The device has failed: CUDA error: an illegal memory access");
  EXPECT_TRUE(result.frames.empty()) << "the next pictures would fail as well";
}

TEST(Device, AfterReadyTheElementWorksAgain) {
  Pipeline p(
      "videotestsrc num-buffers=3 ! video/x-raw,format=GRAY8,width=32,height=32 ! f.visible "
      "videotestsrc num-buffers=3 ! video/x-raw,format=GRAY8,width=32,height=32 ! f.infrared "
      "digfusion name=f ! fakesink");
  const auto ended_by = [&] {
    gst_element_set_state(p.pipeline, GST_STATE_PLAYING);
    GstMessage* message = gst_bus_timed_pop_filtered(
        p.bus, 10 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    const GstMessageType type = message ? GST_MESSAGE_TYPE(message) : GST_MESSAGE_UNKNOWN;
    if (message) gst_message_unref(message);
    gst_element_set_state(p.pipeline, GST_STATE_READY);
    gst_bus_set_flushing(p.bus, TRUE);  // the sources complain as well
    gst_bus_set_flushing(p.bus, FALSE);
    return type;
  };
  {
    const Environment failing("DIGFUSION_FAKE_DEVICE_ERROR", "CUDA error: an illegal memory access");
    EXPECT_EQ(ended_by(), GST_MESSAGE_ERROR);
  }
  EXPECT_EQ(ended_by(), GST_MESSAGE_EOS);
}

}  // namespace
}  // namespace digfusion::test
