// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/plugin/rig.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <stdexcept>

namespace digfusion::test {

FakeCoreLog& fake_core_log() {
  static FakeCoreLog* log = [] {
    void* core = dlopen(std::getenv("DIGFUSION_CORE"), RTLD_NOW | RTLD_LOCAL);
    if (!core) throw std::runtime_error(dlerror());
    return reinterpret_cast<decltype(&digfusion_fake_core_log)>(dlsym(core, "digfusion_fake_core_log"))();
  }();
  return *log;
}

Environment::Environment(const char* name, const std::string& value) : name_(name) {
  const char* before = std::getenv(name);
  was_set_ = before != nullptr;
  if (before) before_ = before;
  setenv(name, value.c_str(), 1);
}

Environment::~Environment() {
  if (was_set_)
    setenv(name_.c_str(), before_.c_str(), 1);
  else
    unsetenv(name_.c_str());
}

std::vector<Picture> pictures(int count, int fps, GstClockTime start, int first_value) {
  std::vector<Picture> result;
  for (int i = 0; i < count; ++i) {
    const GstClockTime begin = gst_util_uint64_scale(i, GST_SECOND, fps);
    const GstClockTime end = gst_util_uint64_scale(i + 1, GST_SECOND, fps);
    result.push_back({first_value + i, start + begin, end - begin});
  }
  return result;
}

std::string caps_text(const std::string& format, int width, int height, int fps) {
  return "video/x-raw, format=" + format + ", width=" + std::to_string(width) +
         ", height=" + std::to_string(height) + ", framerate=" + std::to_string(fps) +
         "/1, pixel-aspect-ratio=1/1";
}

GstBuffer* make_buffer(const std::string& caps_string, const Picture& picture) {
  GstCaps* caps = gst_caps_from_string(caps_string.c_str());
  GstVideoInfo info;
  EXPECT_TRUE(gst_video_info_from_caps(&info, caps)) << caps_string;
  gst_caps_unref(caps);
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&info), nullptr);
  gst_buffer_memset(buffer, 0, 0, GST_VIDEO_INFO_SIZE(&info));
  GstVideoFrame frame;
  EXPECT_TRUE(gst_video_frame_map(&frame, &info, buffer, GST_MAP_WRITE));
  for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS(&frame); ++c) {
    const bool is_luma = GST_VIDEO_INFO_IS_RGB(&info) ? c < 3 : c == 0;
    const int depth = GST_VIDEO_FRAME_COMP_DEPTH(&frame, c);
    const int value = (is_luma ? picture.value : 128)
                      << (depth - 8) << GST_VIDEO_FORMAT_INFO_SHIFT(info.finfo, c);
    for (gint y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT(&frame, c); ++y)
      for (gint x = 0; x < GST_VIDEO_FRAME_COMP_WIDTH(&frame, c); ++x) {
        auto* at = static_cast<guint8*>(GST_VIDEO_FRAME_COMP_DATA(&frame, c)) +
                   y * GST_VIDEO_FRAME_COMP_STRIDE(&frame, c) + x * GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, c);
        const bool big_endian = depth > 8 && !GST_VIDEO_FORMAT_INFO_IS_LE(info.finfo);
        at[big_endian ? 1 : 0] = static_cast<guint8>(value);
        if (depth > 8) at[big_endian ? 0 : 1] = static_cast<guint8>(value >> 8);
      }
  }
  gst_video_frame_unmap(&frame);
  GST_BUFFER_PTS(buffer) = picture.pts;
  GST_BUFFER_DURATION(buffer) = picture.duration;
  return buffer;
}

Fused read_fused(GstBuffer* buffer, GstCaps* caps) {
  Fused fused;
  fused.pts = GST_BUFFER_PTS(buffer);
  fused.duration = GST_BUFFER_DURATION(buffer);
  GstVideoInfo info;
  GstVideoFrame frame;
  if (!gst_video_info_from_caps(&info, caps) || !gst_video_frame_map(&frame, &info, buffer, GST_MAP_READ)) {
    ADD_FAILURE() << "the output can't be mapped";
    return fused;
  }
  const int depth = GST_VIDEO_FRAME_COMP_DEPTH(&frame, 0);
  const auto value_of = [&](int first_row, int last_row) {
    int value = -1;
    for (int y = first_row; y < last_row; ++y)
      for (int x = 0; x < GST_VIDEO_FRAME_WIDTH(&frame); ++x) {
        const auto* at = static_cast<guint8*>(GST_VIDEO_FRAME_COMP_DATA(&frame, 0)) +
                         y * GST_VIDEO_FRAME_COMP_STRIDE(&frame, 0) +
                         x * GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, 0);
        int sample = at[0];
        if (depth > 8)
          sample = ((at[0] | at[1] << 8) >> GST_VIDEO_FORMAT_INFO_SHIFT(info.finfo, 0)) >> (depth - 8);
        if (value >= 0 && sample != value) return -1;
        value = sample;
      }
    return value;
  };
  const int height = GST_VIDEO_FRAME_HEIGHT(&frame);
  fused.visible = value_of(0, height / 2);
  fused.infrared = value_of(height / 2, height);
  gst_video_frame_unmap(&frame);
  return fused;
}

std::string text_of(GstMessage* message) {
  GError* error = nullptr;
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_ERROR:
      gst_message_parse_error(message, &error, nullptr);
      break;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning(message, &error, nullptr);
      break;
    case GST_MESSAGE_INFO:
      gst_message_parse_info(message, &error, nullptr);
      break;
    default:
      return {};
  }
  std::string text = error->message;
  g_error_free(error);
  return text;
}

Pipeline::Pipeline(const std::string& description)
    : pipeline([&] {
        GError* error = nullptr;
        GstElement* parsed = gst_parse_launch(description.c_str(), &error);
        if (!error) return GST_ELEMENT(gst_object_ref_sink(parsed));
        const std::string message = error->message;
        g_error_free(error);
        throw std::runtime_error(message);
      }()),
      bus(gst_element_get_bus(pipeline)) {}

Pipeline::~Pipeline() {
  gst_element_set_state(pipeline, GST_STATE_NULL);
  for (GstElement* element : got_) gst_object_unref(element);
  gst_object_unref(bus);
  gst_object_unref(pipeline);
}

GstElement* Pipeline::get(const char* name) {
  GstElement* element = gst_bin_get_by_name(GST_BIN(pipeline), name);
  if (!element) throw std::runtime_error(name);
  got_.push_back(element);
  return element;
}

Result fuse_streams(const Stream& visible, const Stream& infrared, const std::string& properties,
                    const std::function<void(GstBuffer*, bool)>& prepare) {
  Result result;
  Pipeline p(
      "digfusion name=f " + properties +
      " ! appsink name=out sync=false  appsrc name=v format=time max-buffers=0 max-bytes=0 ! f.visible  "
      "appsrc name=i format=time max-buffers=0 max-bytes=0 ! f.infrared");
  for (const bool is_visible : {true, false}) {
    const Stream& stream = is_visible ? visible : infrared;
    GstAppSrc* source = p.source(is_visible ? "v" : "i");
    GstCaps* caps = gst_caps_from_string(stream.caps.c_str());
    gst_app_src_set_caps(source, caps);
    gst_caps_unref(caps);
    for (const Picture& picture : stream.pictures) {
      GstBuffer* buffer = make_buffer(stream.caps, picture);
      if (prepare) prepare(buffer, is_visible);
      gst_app_src_push_buffer(source, buffer);
    }
    gst_app_src_end_of_stream(source);
  }
  if (gst_element_set_state(p.pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE)
    while (GstSample* sample = gst_app_sink_try_pull_sample(p.sink("out"), 10 * GST_SECOND)) {
      result.frames.push_back(read_fused(gst_sample_get_buffer(sample), gst_sample_get_caps(sample)));
      gst_sample_unref(sample);
    }
  GstStructure* stats = nullptr;
  g_object_get(p.get("f"), "stats", &stats, nullptr);
  result.stats.reset(stats);
  for (bool ended = false; !ended;) {
    GstMessage* message = gst_bus_timed_pop_filtered(
        p.bus, 5 * GST_SECOND,
        static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING |
                                    GST_MESSAGE_INFO | GST_MESSAGE_ELEMENT));
    if (!message) {
      result.error = "the stream neither ended nor failed";
      break;
    }
    switch (GST_MESSAGE_TYPE(message)) {
      case GST_MESSAGE_WARNING:
        result.warnings.push_back(text_of(message));
        break;
      case GST_MESSAGE_ELEMENT:
        result.elements.push_back(gst_structure_get_name(gst_message_get_structure(message)));
        break;
      case GST_MESSAGE_INFO:
        result.infos.push_back(text_of(message));
        break;
      case GST_MESSAGE_ERROR:
        result.error = text_of(message);
        [[fallthrough]];
      default:
        ended = true;
    }
    gst_message_unref(message);
  }
  return result;
}

Rig::Rig(const std::string& properties) {
  GError* error = nullptr;
  element = gst_parse_launch(("digfusion " + properties).c_str(), &error);
  if (error) throw std::runtime_error(error->message);
  gst_object_ref_sink(element);
  bus_ = gst_bus_new();
  gst_element_set_bus(element, bus_);
  visible = gst_harness_new_with_element(element, "visible", "src");
  infrared = gst_harness_new_with_element(element, "infrared", nullptr);
}

Rig::~Rig() {
  gst_harness_teardown(infrared);
  gst_harness_teardown(visible);
  gst_element_set_state(element, GST_STATE_NULL);
  gst_element_set_bus(element, nullptr);
  gst_object_unref(bus_);
  gst_object_unref(element);
}

void Rig::set_caps(const std::string& visible_caps, const std::string& infrared_caps) {
  if (!visible_caps.empty()) gst_harness_set_src_caps_str(visible, (visible_caps_ = visible_caps).c_str());
  if (!infrared_caps.empty())
    gst_harness_set_src_caps_str(infrared, (infrared_caps_ = infrared_caps).c_str());
}

void Rig::push_visible(const Picture& picture) {
  EXPECT_EQ(gst_harness_push(visible, make_buffer(visible_caps_, picture)), GST_FLOW_OK);
}

void Rig::push_infrared(const Picture& picture) {
  EXPECT_EQ(gst_harness_push(infrared, make_buffer(infrared_caps_, picture)), GST_FLOW_OK);
}

void Rig::answer_allocation(std::function<void(GstQuery*)> answer) {
  using Answer = std::function<void(GstQuery*)>;
  gst_pad_add_probe(
      visible->sinkpad,
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM | GST_PAD_PROBE_TYPE_PUSH),
      +[](GstPad*, GstPadProbeInfo* info, gpointer user) -> GstPadProbeReturn {
        GstQuery* query = GST_PAD_PROBE_INFO_QUERY(info);
        if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION) return GST_PAD_PROBE_OK;
        (*static_cast<Answer*>(user))(query);
        return GST_PAD_PROBE_HANDLED;
      },
      new Answer(std::move(answer)), +[](gpointer user) { delete static_cast<Answer*>(user); });
}

void Rig::flush() {
  const guint32 seqnum = gst_util_seqnum_next();
  for (const auto make :
       {+[] { return gst_event_new_flush_start(); }, +[] { return gst_event_new_flush_stop(TRUE); }})
    for (GstHarness* harness : {visible, infrared}) {
      GstEvent* event = make();
      gst_event_set_seqnum(event, seqnum);
      EXPECT_TRUE(gst_harness_push_event(harness, event));
    }
}

Fused Rig::pull() {
  GstBuffer* buffer = gst_harness_pull(visible);  // waits up to a minute
  if (!buffer) {
    ADD_FAILURE() << "no picture came out";
    return {};
  }
  GstCaps* caps = gst_pad_get_current_caps(visible->sinkpad);
  const Fused fused = read_fused(buffer, caps);
  gst_caps_unref(caps);
  gst_buffer_unref(buffer);
  return fused;
}

GstMessage* Rig::wait_message(GstMessageType types, GstClockTime timeout) {
  return gst_bus_timed_pop_filtered(bus_, timeout, types);
}

}  // namespace digfusion::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  gst_init(nullptr, nullptr);
  const int result = RUN_ALL_TESTS();
  gst_deinit();
  return result;
}
