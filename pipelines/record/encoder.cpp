// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/record/encoder.h"

#include <gst/video/video.h>

#include <array>
#include <memory>

#include "pipelines/common/failure.h"
#include "pipelines/common/frame.h"

namespace digfusion::pipelines {
namespace {

// x264 and OpenH264 put key frames at cuts unless told otherwise, each track at others.
constexpr std::array kinds{
    EncoderKind{"nvh264enc", "zerolatency=true", "rc-mode=constqp qp-const={}", "rc-mode=cbr bitrate={}",
                1000, "an NVIDIA GPU with an encoder, and its driver"},
    EncoderKind{"vah264enc", "b-frames=0 target-usage=6", "rate-control=cqp qpi={} qpp={}",
                "rate-control=cbr bitrate={}", 1000, "a GPU with an encoder, and its VA driver"},
    EncoderKind{"x264enc",
                "tune=zerolatency speed-preset=superfast key-int-max=1000 option-string=scenecut=0",
                "pass=qual quantizer={}", "bitrate={}", 1000, ""},
    EncoderKind{"openh264enc", "complexity=low scene-change-detection=false gop-size=1000",
                "rate-control=quality qp-min={} qp-max={}", "rate-control=bitrate bitrate={}", 1, ""},
};

std::string with_number(std::string text, unsigned long number) {
  for (auto place = text.find("{}"); place != std::string::npos; place = text.find("{}"))
    text.replace(place, 2, std::to_string(number));
  return text;
}

// ---- parsers

struct Format {
  const char* name;    ///< of the caps
  const char* parser;  ///< the muxers want what these add (sizes, avc instead of byte-stream)
};
constexpr Format formats[] = {
    {"video/x-h264", "h264parse"}, {"video/x-h265", "h265parse"},     {"video/x-vp9", "vp9parse"},
    {"video/x-av1", "av1parse"},   {"video/mpeg", "mpeg4videoparse"},
};

struct ErrorFree {
  void operator()(GError* error) const { g_error_free(error); }
};

/// A bin of the description, floating. Throws Failure.
GstElement* parse_bin(const std::string& description) {
  GError* error = nullptr;
  GstElement* bin = gst_parse_bin_from_description_full(description.c_str(), TRUE, nullptr,
                                                        GST_PARSE_FLAG_FATAL_ERRORS, &error);
  const std::unique_ptr<GError, ErrorFree> owner(error);
  if (!bin) throw Failure(error ? error->message : "not understood");
  return bin;
}

/// By what may come out of the encoder.
std::string parser_of(GstElement* encoder) {
  const ObjectPtr<GstPad> pad(gst_element_get_static_pad(encoder, "src"));
  const MiniPtr<GstCaps> caps(pad ? gst_pad_query_caps(pad.get(), nullptr) : nullptr);
  if (!caps) throw Failure("it has no output");
  for (const Format& format : formats)
    if (gst_caps_get_size(caps.get()) > 0 &&
        gst_structure_has_name(gst_caps_get_structure(caps.get(), 0), format.name))
      return format.parser;
  return "identity";
}

Encoder with_parser(const std::string& description) {
  const ObjectPtr<GstElement> bin(GST_ELEMENT(gst_object_ref_sink(parse_bin(description))));
  return {description, parser_of(bin.get())};
}

/// Leaves out the last column or row where the size is odd: 4:2:0 has one colour for two of them, and x264
/// insists.
GstPadProbeReturn make_even(GstPad*, GstPadProbeInfo* info, gpointer crop) {
  GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
  if (GST_EVENT_TYPE(event) != GST_EVENT_CAPS) return GST_PAD_PROBE_OK;
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  int width = 0, height = 0;
  gst_structure_get_int(gst_caps_get_structure(caps, 0), "width", &width);
  gst_structure_get_int(gst_caps_get_structure(caps, 0), "height", &height);
  g_object_set(crop, "right", width % 2, "bottom", height % 2, nullptr);
  return GST_PAD_PROBE_OK;
}

// ---- key frames

/// Asks for a key frame before the first picture of every interval.
GstPadProbeReturn ask_for_key_frames(GstPad* pad, GstPadProbeInfo* info, gpointer data) {
  auto* asked = static_cast<guint64*>(data);
  const GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  const guint64 interval = GST_BUFFER_PTS(buffer) / key_frame_interval;
  if (interval == *asked) return GST_PAD_PROBE_OK;
  *asked = interval;
  gst_pad_send_event(pad, gst_video_event_new_downstream_force_key_unit(
                              GST_BUFFER_PTS(buffer), GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE, TRUE, 0));
  return GST_PAD_PROBE_OK;
}

// ---- trying

constexpr int test_pictures = 25, test_rate = 25;
constexpr GstClockTime patience = 10 * GST_SECOND;

/// Counts the intervals that begin with a key frame.
GstPadProbeReturn count_key_frames(GstPad*, GstPadProbeInfo* info, gpointer data) {
  const GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  if (!GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT)) ++*static_cast<int*>(data);
  return GST_PAD_PROBE_OK;
}

/// Runs to its end, for errors. Empty if there was none.
std::string run(GstElement* pipeline) {
  const ObjectPtr<GstBus> bus(gst_element_get_bus(pipeline));
  const bool starts = gst_element_set_state(pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE;
  const MiniPtr<GstMessage> message(gst_bus_timed_pop_filtered(
      bus.get(), starts ? patience : 0, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
  gst_element_set_state(pipeline, GST_STATE_NULL);
  if (!message) return starts ? "nothing comes out of it" : "it can't be started";
  if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS) return {};
  return explain(message.get(), GST_OBJECT_NAME(GST_MESSAGE_SRC(message.get()))).text;
}

std::string try_out(const Encoder& encoder, Container container) {
  try {
    const char* muxer = container_info(container).muxer;
    const ObjectPtr<GstElement> pipeline(GST_ELEMENT(gst_object_ref_sink(gst_pipeline_new("try"))));
    GstBin* bin = GST_BIN(pipeline.get());
    GstElement* source =
        parse_bin("videotestsrc num-buffers=" + std::to_string(test_pictures) +
                  " ! capsfilter caps=video/x-raw,format=I420,width=320,height=240,framerate=" +
                  std::to_string(test_rate) + "/1");
    gst_bin_add(bin, source);
    GstElement* encode = make_encoder_bin(encoder);
    gst_bin_add(bin, encode);
    GstElement* mux = make_element(muxer);
    gst_bin_add(bin, mux);
    GstElement* sink = make_element("fakesink");
    gst_bin_add(bin, sink);
    if (!gst_element_link_many(source, encode, mux, sink, nullptr))
      return "what it makes doesn't go into " + std::string(muxer);

    int key_frames = 0;
    const ObjectPtr<GstPad> out(gst_element_get_static_pad(encode, "src"));
    gst_pad_add_probe(out.get(), GST_PAD_PROBE_TYPE_BUFFER, count_key_frames, &key_frames, nullptr);
    if (std::string problem = run(pipeline.get()); !problem.empty()) return problem;
    constexpr GstClockTime length = test_pictures * GST_SECOND / test_rate;
    if (static_cast<GstClockTime>(key_frames) * key_frame_interval < length)
      return "it doesn't make key frames when asked to, and a power cut would cost more than a second";
    return {};
  } catch (const Failure& failure) {
    return failure.what();
  }
}

// ---- choosing

[[noreturn]] void none_works(const std::vector<std::string>& passed_over) {
  std::string text = "there is no H.264 encoder that works here:";
  for (const EncoderKind& kind : kinds) {
    text += "\n  apt-get install " + std::string(package_of(kind.element)) + " brings " + kind.element;
    if (*kind.needs) text += " (needs " + std::string(kind.needs) + ")";
  }
  for (const std::string& reason : passed_over) text += "\n  " + reason;
  throw Failure(text);
}

EncoderChoice wished_encoder(const EncoderWish& wish, Container container, const EncoderProbe& probe) {
  const std::string name = Encoder{wish.description, {}}.name();
  if (!probe.is_installed(name.c_str())) {
    const std::string_view package = package_of(name);
    throw Failure("--encoder: the element " + name + " isn't there" +
                  (package.empty() ? std::string() : ": apt-get install " + std::string(package)));
  }
  const EncoderKind* kind = find_encoder_kind(wish.description);
  EncoderChoice choice;
  try {
    choice.encoder = with_parser(kind ? encoder_description(*kind, wish) : wish.description);
  } catch (const Failure& failure) {
    throw Failure("--encoder " + wish.description + ": " + failure.what());
  }
  if (const std::string problem = probe.try_out(choice.encoder, container); !problem.empty())
    throw Failure("--encoder " + wish.description + " doesn't work here: " + problem);
  return choice;
}

}  // namespace

std::span<const EncoderKind> encoder_kinds() { return kinds; }

const EncoderKind* find_encoder_kind(std::string_view element) {
  for (const EncoderKind& kind : kinds)
    if (element == kind.element) return &kind;
  return nullptr;
}

std::string encoder_description(const EncoderKind& kind, const EncoderWish& wish) {
  const std::string rate = wish.bitrate > 0
                               ? with_number(kind.by_bitrate, 1000ul * wish.bitrate / kind.bitrate_unit)
                               : with_number(kind.by_quality, wish.quality);
  return std::string(kind.element) + " " + kind.settings + " " + rate;
}

EncoderProbe real_encoder_probe() { return {has_element, try_out}; }

EncoderChoice choose_encoder(const EncoderWish& wish, Container container, const EncoderProbe& probe) {
  if (!wish.description.empty()) return wished_encoder(wish, container, probe);
  EncoderChoice choice;
  for (const EncoderKind& kind : kinds) {
    if (!probe.is_installed(kind.element)) continue;
    choice.encoder = {encoder_description(kind, wish), "h264parse"};
    const std::string problem = probe.try_out(choice.encoder, container);
    if (problem.empty()) return choice;
    choice.passed_over.push_back(std::string(kind.element) + ": " + problem);
  }
  none_works(choice.passed_over);
}

GstElement* make_encoder_bin(const Encoder& encoder) {
  // 4:2:0 of 8 bit is what every player and hardware decoder takes.
  GstElement* bin = parse_bin("videoconvert ! video/x-raw,format={I420,NV12} ! videocrop name=crop ! " +
                              encoder.description + " ! " + encoder.parser);
  const ObjectPtr<GstPad> pad(gst_element_get_static_pad(bin, "sink"));
  gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, make_even,
                    gst_bin_get_by_name(GST_BIN(bin), "crop"), gst_object_unref);
  gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, ask_for_key_frames, new guint64(G_MAXUINT64),
                    [](gpointer asked) { delete static_cast<guint64*>(asked); });
  return bin;
}

}  // namespace digfusion::pipelines
