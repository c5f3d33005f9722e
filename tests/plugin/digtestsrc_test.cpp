// SPDX-License-Identifier: LGPL-2.1-or-later
//
// digtestsrc in pipelines, its pictures compared with the renderer's own.
#include "plugin/digtestsrc.h"

#include <gst/app/gstappsink.h>
#include <gst/video/video.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <thread>

#include "core/scene/renderer.h"

namespace digfusion {
namespace {

constexpr GstClockTime patience = 20 * GST_SECOND;

struct Unref {
  void operator()(GstElement* element) const { gst_object_unref(element); }
  void operator()(GstSample* sample) const { gst_sample_unref(sample); }
  void operator()(GstMessage* message) const { gst_message_unref(message); }
  void operator()(GstQuery* query) const { gst_query_unref(query); }
};
using Sample = std::unique_ptr<GstSample, Unref>;
using Message = std::unique_ptr<GstMessage, Unref>;
using Query = std::unique_ptr<GstQuery, Unref>;

/// A pipeline that ends with its scope.
class Pipeline {
 public:
  explicit Pipeline(const std::string& description) {
    GError* error = nullptr;
    pipeline_.reset(GST_ELEMENT(gst_object_ref_sink(gst_parse_launch(description.c_str(), &error))));
    if (error) ADD_FAILURE() << error->message;
    g_clear_error(&error);
  }
  ~Pipeline() { set(GST_STATE_NULL); }
  GstElement* get() const { return pipeline_.get(); }
  GstStateChangeReturn set(GstState state) const {
    gst_element_set_state(get(), state);
    return gst_element_get_state(get(), nullptr, nullptr, patience);
  }
  std::unique_ptr<GstElement, Unref> child(const char* name) const {
    return std::unique_ptr<GstElement, Unref>(gst_bin_get_by_name(GST_BIN(get()), name));
  }
  /// The next frame at that appsink, or null at the end of the stream.
  Sample pull(const char* sink) const {
    return Sample(gst_app_sink_try_pull_sample(GST_APP_SINK(child(sink).get()), patience));
  }
  /// The end of the stream or an error, or null when neither came.
  Message end(GstClockTime wait = patience) const {
    GstBus* bus = gst_element_get_bus(get());
    GstMessage* message = gst_bus_timed_pop_filtered(
        bus, wait, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    gst_object_unref(bus);
    return Message(message);
  }

 private:
  std::unique_ptr<GstElement, Unref> pipeline_;
};

/// Both views to appsinks named v and i.
std::string two_views(const std::string& properties, const std::string& visible_caps = "video/x-raw",
                      const std::string& infrared_caps = "video/x-raw") {
  return "digtestsrc name=s " + properties + "  s.visible ! " + visible_caps +
         " ! appsink name=v sync=false  s.infrared ! " + infrared_caps + " ! appsink name=i sync=false";
}

GstVideoInfo info_of(const Sample& sample) {
  GstVideoInfo info;
  EXPECT_TRUE(gst_video_info_from_caps(&info, gst_sample_get_caps(sample.get())));
  return info;
}

/// One component of a frame, as the integers that were written.
std::vector<int> component(const Sample& sample, int index) {
  const GstVideoInfo info = info_of(sample);
  GstVideoFrame frame;
  if (!gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample.get()), GST_MAP_READ)) return {};
  std::vector<int> values;
  for (int y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT(&frame, index); ++y) {
    const guint8* row = static_cast<guint8*>(GST_VIDEO_FRAME_COMP_DATA(&frame, index)) +
                        y * GST_VIDEO_FRAME_COMP_STRIDE(&frame, index);
    for (int x = 0; x < GST_VIDEO_FRAME_COMP_WIDTH(&frame, index); ++x) {
      const guint8* at = row + x * GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, index);
      values.push_back(GST_VIDEO_FRAME_COMP_DEPTH(&frame, index) == 16 ? GST_READ_UINT16_LE(at) : *at);
    }
  }
  gst_video_frame_unmap(&frame);
  return values;
}

/// Whether integers are offset + scale · samples, rounded.
void expect_samples(const std::vector<int>& values, const scene::Plane& plane, double scale, double offset) {
  ASSERT_EQ(values.size(), plane.samples.size());
  double worst = 0;
  for (std::size_t i = 0; i < values.size(); ++i)
    worst = std::max(worst, std::abs(values[i] - (offset + scale * plane.samples[i])));
  EXPECT_LT(worst, 0.51);
}

bool same_picture(const Sample& a, const Sample& b) { return component(a, 0) == component(b, 0); }

TEST(DigTestSrc, HasDocumentedProperties) {
  const std::unique_ptr<GstElement, Unref> element(
      GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("digtestsrc", nullptr))));
  ASSERT_TRUE(element);
  for (const char* name : {"pattern", "seed", "num-buffers", "is-live"}) {
    GParamSpec* spec = g_object_class_find_property(G_OBJECT_GET_CLASS(element.get()), name);
    ASSERT_TRUE(spec) << name;
    EXPECT_GT(std::string(g_param_spec_get_blurb(spec)).size(), 20u);
    if (!G_IS_PARAM_SPEC_ENUM(spec)) continue;
    const GEnumClass* values = G_PARAM_SPEC_ENUM(spec)->enum_class;
    ASSERT_EQ(values->n_values, scene::pattern_table().size());
    for (const scene::PatternInfo& info : scene::pattern_table())
      EXPECT_EQ(std::string(values->values[static_cast<int>(info.value)].value_nick), info.nick);
  }
  g_object_set(element.get(), "seed", guint64{1} << 63, "num-buffers", 7, "is-live", TRUE, nullptr);
  gst_util_set_object_arg(G_OBJECT(element.get()), "pattern", "day-glare");
  guint64 seed = 0;
  gint pattern = -1, count = 0;
  gboolean live = FALSE;
  g_object_get(element.get(), "seed", &seed, "pattern", &pattern, "num-buffers", &count, "is-live", &live,
               nullptr);
  EXPECT_EQ(seed, guint64{1} << 63);
  EXPECT_EQ(pattern, static_cast<gint>(scene::Pattern::day_glare));
  EXPECT_EQ(count, 7);
  EXPECT_TRUE(live);
}

TEST(DigTestSrc, PrefersColourAndGrayOf640x480At30) {
  const Pipeline pipeline(two_views("num-buffers=1"));
  pipeline.set(GST_STATE_PLAYING);
  for (const auto& [sink, format] : {std::pair{"v", GST_VIDEO_FORMAT_I420}, {"i", GST_VIDEO_FORMAT_GRAY8}}) {
    const Sample sample = pipeline.pull(sink);
    ASSERT_TRUE(sample);
    const GstVideoInfo info = info_of(sample);
    EXPECT_EQ(GST_VIDEO_INFO_FORMAT(&info), format);
    EXPECT_EQ(info.width, 640);
    EXPECT_EQ(info.height, 480);
    EXPECT_EQ(info.fps_n, 30);
    EXPECT_EQ(info.fps_d, 1);
    const GstStructure* caps = gst_caps_get_structure(gst_sample_get_caps(sample.get()), 0);
    EXPECT_STREQ(gst_structure_get_string(caps, "colorimetry"),
                 format == GST_VIDEO_FORMAT_I420 ? "bt601" : "1:4:0:0");
  }
}

TEST(DigTestSrc, BothViewsEndTogetherWithExactTimes) {
  const Pipeline pipeline(two_views("num-buffers=40 pattern=still",
                                    "video/x-raw,width=32,height=24,framerate=30000/1001",
                                    "video/x-raw,width=32,height=24,framerate=30000/1001"));
  pipeline.set(GST_STATE_PLAYING);
  for (const char* sink : {"v", "i"}) {
    for (guint64 n = 0; n < 40; ++n) {
      const Sample sample = pipeline.pull(sink);
      ASSERT_TRUE(sample) << n;
      const GstBuffer* buffer = gst_sample_get_buffer(sample.get());
      const GstClockTime start = gst_util_uint64_scale(n, 1001 * GST_SECOND, 30000);
      EXPECT_EQ(GST_BUFFER_PTS(buffer), start);
      EXPECT_EQ(GST_BUFFER_DURATION(buffer), gst_util_uint64_scale(n + 1, 1001 * GST_SECOND, 30000) - start);
      EXPECT_EQ(GST_BUFFER_OFFSET(buffer), n);
      EXPECT_EQ(gst_sample_get_segment(sample.get())->format, GST_FORMAT_TIME);
    }
    EXPECT_FALSE(pipeline.pull(sink));
    EXPECT_TRUE(gst_app_sink_is_eos(GST_APP_SINK(pipeline.child(sink).get())));
  }
  const Message end = pipeline.end();
  ASSERT_TRUE(end);
  EXPECT_EQ(GST_MESSAGE_TYPE(end.get()), GST_MESSAGE_EOS);
}

TEST(DigTestSrc, StreamsOfAnyRateShowTheSameSceneAtTheSameTime) {
  const std::string caps = "video/x-raw,format=GRAY8,width=64,height=48,framerate=";
  const Pipeline pipeline(two_views("num-buffers=25 pattern=night seed=5", caps + "60/1", caps + "10/1"));
  pipeline.set(GST_STATE_PLAYING);
  const scene::Renderer renderer(scene::Pattern::night, 5, 64, 48);
  scene::Plane plane;
  for (int n = 0; n < 25; ++n) {
    const Sample visible = pipeline.pull("v"), infrared = pipeline.pull("i");
    ASSERT_TRUE(visible && infrared);
    renderer.visible({n, n / 60.}, plane);
    expect_samples(component(visible, 0), plane, 255, 0);
    renderer.infrared({n, n / 10.}, plane);
    expect_samples(component(infrared, 0), plane, 255, 0);
  }
}

struct Shape {
  const char* format;
  int width, height;
  const char* colorimetry;
};
class EveryFormat : public testing::TestWithParam<Shape> {};
INSTANTIATE_TEST_SUITE_P(DigTestSrc, EveryFormat,
                         testing::Values(Shape{"I420", 64, 48, ""}, Shape{"I420", 33, 17, ""},
                                         Shape{"NV12", 64, 48, ""}, Shape{"NV12", 35, 19, ""},
                                         Shape{"GRAY8", 64, 48, ""}, Shape{"GRAY8", 37, 21, ""},
                                         Shape{"GRAY16_LE", 64, 48, ""}, Shape{"GRAY16_LE", 39, 23, ""},
                                         Shape{"I420", 16, 600, ""}, Shape{"I420", 16, 16, "bt709"},
                                         Shape{"NV12", 41, 31, "1:4:0:0"},
                                         Shape{"GRAY16_LE", 40, 30, "2:4:0:0"}));

TEST_P(EveryFormat, HoldsTheSceneOfItsNumber) {
  const Shape& shape = GetParam();
  const bool gray = std::string(shape.format).starts_with("GRAY"),
             wide = std::string(shape.format) == "GRAY16_LE";
  std::string caps = std::string("video/x-raw,format=") + shape.format +
                     ",width=" + std::to_string(shape.width) + ",height=" + std::to_string(shape.height);
  if (*shape.colorimetry) caps += std::string(",colorimetry=") + shape.colorimetry;
  const Pipeline pipeline(two_views("num-buffers=3 seed=9 pattern=smoke", caps, caps));
  pipeline.set(GST_STATE_PLAYING);
  const scene::Renderer renderer(scene::Pattern::smoke, 9, shape.width, shape.height);
  for (int n = 0; n < 3; ++n) {
    for (const bool visible : {true, false}) {
      SCOPED_TRACE(testing::Message()
                   << shape.format << " frame " << n << (visible ? " visible" : " infrared"));
      const Sample sample = pipeline.pull(visible ? "v" : "i");
      ASSERT_TRUE(sample);
      const GstVideoInfo info = info_of(sample);
      const bool limited = info.colorimetry.range == GST_VIDEO_COLOR_RANGE_16_235;
      if (!*shape.colorimetry) {
        EXPECT_EQ(limited, !gray);
      }
      scene::Plane luma, cb, cr;
      renderer.visible(n, luma, cb, cr);
      if (!visible) renderer.infrared(n, luma);
      if (wide)
        expect_samples(component(sample, 0), luma, limited ? 219 * 256 : 65535, limited ? 4096 : 0);
      else
        expect_samples(component(sample, 0), luma, limited ? 219 : 255, limited ? 16 : 0);
      if (gray) continue;
      const double chroma = !visible ? 0 : limited ? 224 : 254;
      expect_samples(component(sample, 1), cb, chroma, 128);
      expect_samples(component(sample, 2), cr, chroma, 128);
    }
  }
}

TEST(DigTestSrc, SeeksToTheFrameOfThatTime) {
  const std::string caps = "video/x-raw,width=32,height=24,framerate=30/1";
  const Pipeline pipeline(two_views("", caps, caps));
  pipeline.set(GST_STATE_PAUSED);
  for (const guint64 target : {100u, 7u, 3001u}) {
    // Exactly a frame's rounded start, and half a millisecond before the next one's.
    for (const GstClockTime shift : {GstClockTime{0}, GstClockTime{32'800'000}}) {
      const GstClockTime time = gst_util_uint64_scale(target, GST_SECOND, 30) + shift;
      ASSERT_TRUE(gst_element_seek_simple(pipeline.get(), GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                          static_cast<gint64>(time)));
      pipeline.set(GST_STATE_PLAYING);
      for (const char* sink : {"v", "i"})
        for (guint64 n = target; n < target + 2; ++n) {
          const Sample sample = pipeline.pull(sink);
          ASSERT_TRUE(sample);
          EXPECT_EQ(GST_BUFFER_OFFSET(gst_sample_get_buffer(sample.get())), n);
          EXPECT_EQ(GST_BUFFER_PTS(gst_sample_get_buffer(sample.get())),
                    gst_util_uint64_scale(n, GST_SECOND, 30));
        }
      pipeline.set(GST_STATE_PAUSED);
    }
  }
}

TEST(DigTestSrc, StopsAtASegmentsEndAndPlaysBackwards) {
  const Pipeline pipeline(
      "digtestsrc name=s  s.visible ! video/x-raw,width=32,height=24 ! appsink name=v sync=false");
  pipeline.set(GST_STATE_PAUSED);
  for (const bool backwards : {false, true}) {
    ASSERT_TRUE(gst_element_seek(pipeline.get(), backwards ? -1.0 : 1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                 GST_SEEK_TYPE_SET, GST_SECOND, GST_SEEK_TYPE_SET, 2 * GST_SECOND));
    pipeline.set(GST_STATE_PLAYING);
    std::vector<guint64> frames;
    while (const Sample sample = pipeline.pull("v")) {
      frames.push_back(GST_BUFFER_OFFSET(gst_sample_get_buffer(sample.get())));
      if (frames.size() > 100) break;
    }
    ASSERT_GE(frames.size(), 30u);
    ASSERT_LE(frames.size(), 31u);
    EXPECT_EQ(frames.front(), backwards ? 59u : 30u);
    EXPECT_EQ(frames[29], backwards ? 30u : 59u);
    pipeline.set(GST_STATE_PAUSED);
  }
}

TEST(DigTestSrc, KnowsItsDuration) {
  const Pipeline pipeline(two_views("num-buffers=75", "video/x-raw,framerate=25/1,width=16,height=16",
                                    "video/x-raw,framerate=25/1,width=16,height=16"));
  pipeline.set(GST_STATE_PAUSED);
  gint64 duration = 0;
  ASSERT_TRUE(gst_element_query_duration(pipeline.get(), GST_FORMAT_TIME, &duration));
  EXPECT_EQ(duration, static_cast<gint64>(3 * GST_SECOND));
  const Query seekable(gst_query_new_seeking(GST_FORMAT_TIME));
  ASSERT_TRUE(gst_element_query(pipeline.get(), seekable.get()));
  gboolean yes = FALSE;
  gst_query_parse_seeking(seekable.get(), nullptr, &yes, nullptr, nullptr);
  EXPECT_TRUE(yes);
}

TEST(DigTestSrc, LiveFramesComeInRealTime) {
  const Pipeline pipeline(two_views("is-live=true num-buffers=10",
                                    "video/x-raw,framerate=50/1,width=32,height=24",
                                    "video/x-raw,framerate=50/1,width=32,height=24"));
  EXPECT_EQ(pipeline.set(GST_STATE_PAUSED), GST_STATE_CHANGE_NO_PREROLL);
  const gint64 begin = g_get_monotonic_time();
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  guint64 first[2] = {};
  for (const int view : {0, 1}) {
    for (int n = 0; n < 10; ++n) {
      const Sample sample = pipeline.pull(view == 0 ? "v" : "i");
      ASSERT_TRUE(sample);
      const guint64 number = GST_BUFFER_OFFSET(gst_sample_get_buffer(sample.get()));
      if (n == 0) first[view] = number;
      EXPECT_EQ(number, first[view] + n);
      EXPECT_EQ(GST_BUFFER_PTS(gst_sample_get_buffer(sample.get())), number * 20 * GST_MSECOND);
    }
  }
  EXPECT_GE(g_get_monotonic_time() - begin, 9 * 20'000);  // the last of ten frames starts then
  const Query latency(gst_query_new_latency());
  GstPad* pad = gst_element_get_static_pad(pipeline.child("s").get(), "infrared");
  EXPECT_TRUE(gst_pad_query(pad, latency.get()));
  gst_object_unref(pad);
  gboolean live = FALSE;
  GstClockTime least = 0;
  gst_query_parse_latency(latency.get(), &live, &least, nullptr);
  EXPECT_TRUE(live);
  EXPECT_EQ(least, 20 * GST_MSECOND);
  EXPECT_FALSE(pipeline.pull("v"));
  EXPECT_FALSE(pipeline.pull("i"));
  const Message end = pipeline.end();
  ASSERT_TRUE(end);
  EXPECT_EQ(GST_MESSAGE_TYPE(end.get()), GST_MESSAGE_EOS);
  EXPECT_FALSE(gst_element_seek_simple(pipeline.get(), GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0));
}

TEST(DigTestSrc, OneViewMayBeLeftUnlinked) {
  for (const char* pad : {"visible", "infrared"}) {
    const Pipeline pipeline(std::string("digtestsrc name=s num-buffers=20  s.") + pad +
                            " ! video/x-raw,width=32,height=24 ! appsink name=v sync=false");
    pipeline.set(GST_STATE_PLAYING);
    int frames = 0;
    while (pipeline.pull("v")) ++frames;
    EXPECT_EQ(frames, 20);
    const Message end = pipeline.end();
    ASSERT_TRUE(end);
    EXPECT_EQ(GST_MESSAGE_TYPE(end.get()), GST_MESSAGE_EOS);
  }
}

TEST(DigTestSrc, TheIdealPictureComesOnRequestInStepWithTheOthers) {
  const Pipeline pipeline(
      "digtestsrc name=s num-buffers=4 seed=9 pattern=smoke  s.visible ! video/x-raw,width=64,height=48 ! "
      "appsink name=v sync=false  s.ideal ! video/x-raw,width=64,height=48 ! appsink name=y sync=false");
  pipeline.set(GST_STATE_PLAYING);
  const scene::Renderer renderer(scene::Pattern::smoke, 9, 64, 48);
  for (int n = 0; n < 4; ++n) {
    const Sample visible = pipeline.pull("v"), ideal = pipeline.pull("y");
    ASSERT_TRUE(visible && ideal);
    EXPECT_EQ(GST_BUFFER_PTS(gst_sample_get_buffer(visible.get())),
              GST_BUFFER_PTS(gst_sample_get_buffer(ideal.get())));
    const GstVideoInfo info = info_of(ideal);
    EXPECT_EQ(GST_VIDEO_INFO_FORMAT(&info), GST_VIDEO_FORMAT_GRAY8);
    scene::Plane luma;
    renderer.ideal(n, luma);
    expect_samples(component(ideal, 0), luma, 255, 0);
  }
  EXPECT_FALSE(pipeline.pull("y"));
  const Message end = pipeline.end();
  ASSERT_TRUE(end);
  EXPECT_EQ(GST_MESSAGE_TYPE(end.get()), GST_MESSAGE_EOS);
}

TEST(DigTestSrc, TheIdealPadIsThereOnceAndCanBeGivenBack) {
  const Pipeline pipeline("digtestsrc name=s num-buffers=3 is-live=true  s.visible ! fakesink");
  const auto source = pipeline.child("s");
  for (int i = 0; i < 2; ++i) {
    GstPad* pad = gst_element_request_pad_simple(source.get(), "ideal");
    ASSERT_NE(pad, nullptr);
    GstPadTemplate* wanted = gst_element_get_pad_template(source.get(), "ideal");
    EXPECT_EQ(gst_element_request_pad(source.get(), wanted, nullptr, nullptr), nullptr);
    EXPECT_EQ(GST_BIN_NUMCHILDREN(source.get()), 3);
    gst_element_release_request_pad(source.get(), pad);
    gst_object_unref(pad);
    EXPECT_EQ(GST_BIN_NUMCHILDREN(source.get()), 2);
  }
  // Asked for and left unlinked it is in nobody's way; linked while playing it joins in.
  GstPad* pad = gst_element_request_pad_simple(source.get(), "ideal");
  pipeline.set(GST_STATE_PLAYING);
  const Message end = pipeline.end();
  ASSERT_TRUE(end);
  EXPECT_EQ(GST_MESSAGE_TYPE(end.get()), GST_MESSAGE_EOS);
  gst_element_release_request_pad(source.get(), pad);
  gst_object_unref(pad);
}

TEST(DigTestSrc, NobodyTakingEitherViewIsAnError) {
  const Pipeline pipeline("digtestsrc  fakesink async=false");
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  const Message end = pipeline.end();
  ASSERT_TRUE(end);
  EXPECT_EQ(GST_MESSAGE_TYPE(end.get()), GST_MESSAGE_ERROR);
}

TEST(DigTestSrc, AViewMayLeaveAndComeBackInStep) {
  const Pipeline pipeline(
      "digtestsrc name=s is-live=true  s.visible ! video/x-raw,width=32,height=24,framerate=100/1 ! "
      "appsink name=v sync=false max-buffers=2 drop=true  "
      "s.infrared ! identity name=t ! video/x-raw,width=32,height=24,framerate=100/1 ! "
      "appsink name=i sync=false async=false max-buffers=2 drop=true");
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  ASSERT_TRUE(pipeline.pull("v"));
  ASSERT_TRUE(pipeline.pull("i"));
  const auto source = pipeline.child("s"), peer = pipeline.child("t");
  gst_element_unlink_pads(source.get(), "infrared", peer.get(), "sink");
  const Message problem = pipeline.end(200 * GST_MSECOND);
  EXPECT_FALSE(problem);
  guint64 reached = 0;
  for (int i = 0; i < 5; ++i) {
    const Sample sample = pipeline.pull("v");
    ASSERT_TRUE(sample);
    reached = GST_BUFFER_OFFSET(gst_sample_get_buffer(sample.get()));
  }
  EXPECT_GT(reached, 15u);
  while (Sample old{gst_app_sink_try_pull_sample(GST_APP_SINK(pipeline.child("i").get()), 0)}) {
  }
  // The left peer saw the end of its stream; it starts over as any element would have to.
  const auto sink = pipeline.child("i");
  for (GstElement* element : {peer.get(), sink.get()}) {
    gst_element_set_state(element, GST_STATE_READY);
    gst_element_sync_state_with_parent(element);
  }
  ASSERT_TRUE(gst_element_link_pads(source.get(), "infrared", peer.get(), "sink"));
  const Sample sample = pipeline.pull("i");
  ASSERT_TRUE(sample);
  EXPECT_GE(GST_BUFFER_OFFSET(gst_sample_get_buffer(sample.get())), reached);
  EXPECT_EQ(GST_BUFFER_PTS(gst_sample_get_buffer(sample.get())),
            GST_BUFFER_OFFSET(gst_sample_get_buffer(sample.get())) * 10 * GST_MSECOND);
}

TEST(DigTestSrc, ShowsOneStillFrameAtRateZero) {
  const Pipeline pipeline(
      "digtestsrc name=s  s.visible ! video/x-raw,framerate=0/1,width=32,height=24 ! "
      "appsink name=v sync=false");
  pipeline.set(GST_STATE_PLAYING);
  const Sample sample = pipeline.pull("v");
  ASSERT_TRUE(sample);
  EXPECT_EQ(GST_BUFFER_PTS(gst_sample_get_buffer(sample.get())), 0u);
  EXPECT_FALSE(GST_BUFFER_DURATION_IS_VALID(gst_sample_get_buffer(sample.get())));
  EXPECT_FALSE(pipeline.pull("v"));
}

TEST(DigTestSrc, ChangesItsPatternWhilePlaying) {
  const Pipeline pipeline(
      "digtestsrc name=s pattern=still  s.visible ! video/x-raw,width=64,height=48 ! "
      "appsink name=v sync=false max-buffers=1");
  pipeline.set(GST_STATE_PLAYING);
  ASSERT_TRUE(pipeline.pull("v"));
  gst_util_set_object_arg(G_OBJECT(pipeline.child("s").get()), "pattern", "night");
  Sample last;
  for (int i = 0; i < 8; ++i) last = pipeline.pull("v");
  ASSERT_TRUE(last);
  const scene::Renderer renderer(scene::Pattern::night, 0, 64, 48);
  scene::Plane luma;
  renderer.visible(static_cast<std::int64_t>(GST_BUFFER_OFFSET(gst_sample_get_buffer(last.get()))), luma);
  expect_samples(component(last, 0), luma, 219, 16);
}

TEST(DigTestSrc, TwoRunsAreEqualAndTwoSeedsAreNot) {
  const auto frame = [](const std::string& properties) {
    const Pipeline pipeline("digtestsrc name=s num-buffers=1 " + properties +
                            "  s.visible ! video/x-raw,width=64,height=48 ! appsink name=v sync=false");
    pipeline.set(GST_STATE_PLAYING);
    return pipeline.pull("v");
  };
  const Sample one = frame("seed=3"), again = frame("seed=3"), other = frame("seed=4");
  EXPECT_TRUE(same_picture(one, again));
  EXPECT_FALSE(same_picture(one, other));
}

TEST(DigTestSrc, RefusesCapsThatItCannotMake) {
  for (const char* caps : {"video/x-raw,width=8", "video/x-raw,height=5000", "video/x-raw,format=RGB"}) {
    GError* error = nullptr;
    GstElement* pipeline = gst_parse_launch(
        (std::string("digtestsrc name=s  s.visible ! ") + caps + " ! fakesink").c_str(), &error);
    EXPECT_TRUE(error) << caps;
    g_clear_error(&error);
    if (pipeline) gst_object_unref(gst_object_ref_sink(pipeline));
  }
}

TEST(DigTestSrc, StartsOverEveryTimeWithoutLeaks) {
  int alive = 0;  // elements, pads and pictures that are watched
  const auto watch = [&](gpointer object) {
    ++alive;
    g_object_weak_ref(
        G_OBJECT(object), [](gpointer count, GObject*) { --*static_cast<int*>(count); }, &alive);
  };
  {
    const Pipeline pipeline(
        two_views("", "video/x-raw,width=16,height=16", "video/x-raw,width=16,height=16"));
    watch(pipeline.get());
    const auto source = pipeline.child("s");
    watch(source.get());
    for (const char* name : {"visible", "infrared"}) {
      GstElement* view = gst_bin_get_by_name(GST_BIN(source.get()), name);
      GstPad* pad = gst_element_get_static_pad(source.get(), name);
      watch(view);
      watch(pad);
      gst_object_unref(view);
      gst_object_unref(pad);
    }
    for (int cycle = 0; cycle < 50; ++cycle) {
      ASSERT_EQ(pipeline.set(cycle % 2 ? GST_STATE_PLAYING : GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS)
          << cycle;
      for (const char* sink : {"v", "i"}) {
        const auto element = pipeline.child(sink);
        const Sample sample(gst_app_sink_try_pull_preroll(GST_APP_SINK(element.get()), patience));
        ASSERT_TRUE(sample);
        GstBuffer* buffer = gst_sample_get_buffer(sample.get());
        EXPECT_EQ(GST_BUFFER_OFFSET(buffer), 0u);
        ASSERT_TRUE(buffer->pool);
        watch(buffer->pool);
      }
      ASSERT_EQ(pipeline.set(cycle % 3 ? GST_STATE_READY : GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS)
          << cycle;
    }
  }
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace digfusion

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  gst_init(&argc, &argv);
  if (!GST_ELEMENT_REGISTER(digtestsrc, nullptr)) return 1;
  return RUN_ALL_TESTS();
}
