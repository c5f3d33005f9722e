// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/camera_pipeline.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "pipelines/common/failure.h"

namespace digfusion::pipelines {
namespace {

using std::chrono::microseconds;

GstElement* add(GstElement* pipeline, GstElement* element) {
  gst_bin_add(GST_BIN(pipeline), element);
  return element;
}

void link(GstElement* from, GstElement* to) {
  if (!gst_element_link(from, to))
    throw Failure("the elements " + std::string(GST_OBJECT_NAME(from)) + " and " + GST_OBJECT_NAME(to) +
                  " can't be linked");
}

bool has_property(GstElement* element, const char* name) {
  return g_object_class_find_property(G_OBJECT_GET_CLASS(element), name) != nullptr;
}

std::string_view media_of(GstCaps* caps) { return gst_structure_get_name(gst_caps_get_structure(caps, 0)); }

bool is_linked(GstElement* element) {
  const ObjectPtr<GstPad> pad(gst_element_get_static_pad(element, "sink"));
  return gst_pad_is_linked(pad.get());
}

// ---- signals of sources and decoders; `next` is the element that their picture stream goes to

void link_video(GstElement*, GstPad* pad, GstElement* next) {
  MiniPtr<GstCaps> caps(gst_pad_get_current_caps(pad));
  if (!caps) caps.reset(gst_pad_query_caps(pad, nullptr));
  if (gst_caps_get_size(caps.get()) == 0) return;
  const std::string_view media = media_of(caps.get());
  if ((media != "application/x-rtp" && media != "video/x-raw") || is_linked(next)) return;
  const ObjectPtr<GstPad> sink(gst_element_get_static_pad(next, "sink"));
  gst_pad_link(pad, sink.get());
}

void no_more_pads(GstElement* element, GstElement* next) {
  if (!is_linked(next)) GST_ELEMENT_ERROR(element, STREAM, FORMAT, ("there is no video in it"), (nullptr));
}

/// Streams of rtspsrc that aren't chosen aren't even asked for.
gboolean is_first_video(GstElement* source, guint, GstCaps* caps, gpointer) {
  static const GQuark chosen = g_quark_from_static_string("digfusion-chosen");
  const gchar* media = gst_structure_get_string(gst_caps_get_structure(caps, 0), "media");
  if (g_strcmp0(media, "video") != 0 || g_object_get_qdata(G_OBJECT(source), chosen)) return FALSE;
  g_object_set_qdata(G_OBJECT(source), chosen, source);
  return TRUE;
}

/// Sound and subtitles stay as they are, in a pad that nobody links: no decoder is looked for, or missed.
gboolean is_to_decode(GstElement*, GstPad*, GstCaps* caps, gpointer) {
  const std::string_view media = media_of(caps);
  return !media.starts_with("audio/") && !media.starts_with("text/") && !media.starts_with("subpicture/") &&
         !media.starts_with("application/x-subtitle");
}

void link_later(GstElement* from, GstElement* to) {
  g_signal_connect(from, "pad-added", G_CALLBACK(link_video), to);
  g_signal_connect(from, "no-more-pads", G_CALLBACK(no_more_pads), to);
}

// ---- sources

GstElement* make_rtsp(const Address& address, const SourceOptions& options) {
  GstElement* source = make_element("rtspsrc", "source");
  const auto timeout = std::chrono::duration_cast<microseconds>(options.timeout);
  // UDP that a firewall swallows is followed by TCP, which then needs time as well.
  const auto udp_timeout = std::min<microseconds>(timeout / 2, std::chrono::seconds(5));
  g_object_set(source, "location", address.location.c_str(), "latency",
               static_cast<guint>(options.jitter_buffer.count()), "tcp-timeout", guint64(timeout.count()),
               "timeout", guint64(udp_timeout.count()), nullptr);
  if (!address.user.empty())
    g_object_set(source, "user-id", address.user.c_str(), "user-pw", address.password.c_str(), nullptr);
  if (options.rtsp_transport != "auto")
    gst_util_set_object_arg(G_OBJECT(source), "protocols", options.rtsp_transport.c_str());
  g_signal_connect(source, "select-stream", G_CALLBACK(is_first_video), nullptr);
  return source;
}

GstElement* make_srt(const Address& address, const SourceOptions& options) {
  GstElement* source = make_element("srtsrc", "source");
  // The address comes last: it may have a latency of its own.
  g_object_set(source, "latency", static_cast<gint>(options.jitter_buffer.count()), nullptr);
  // We try again, with growing pauses, and say so.
  if (has_property(source, "auto-reconnect")) g_object_set(source, "auto-reconnect", FALSE, nullptr);
  g_object_set(source, "uri", address.location.c_str(), nullptr);
  return source;
}

/// Adds what comes before the converter, and has it linked.
void add_source(GstElement* pipeline, const Address& address, const SourceOptions& options,
                GstElement* convert) {
  if (address.transport == Transport::uri) {
    GstElement* decode = add(pipeline, make_element("uridecodebin", "decode"));
    g_object_set(decode, "uri", address.location.c_str(), nullptr);
    g_signal_connect(decode, "autoplug-continue", G_CALLBACK(is_to_decode), nullptr);
    return link_later(decode, convert);
  }
  GstElement* decode = add(pipeline, make_element("decodebin", "decode"));
  g_signal_connect(decode, "autoplug-continue", G_CALLBACK(is_to_decode), nullptr);
  link_later(decode, convert);
  switch (address.transport) {
    case Transport::rtsp:
      // Its jitter buffer has a thread of its own, in which the decoder works.
      return link_later(add(pipeline, make_rtsp(address, options)), decode);
    case Transport::srt:
      return link(add(pipeline, make_srt(address, options)), decode);
    case Transport::v4l2: {
      GstElement* source = add(pipeline, make_element("v4l2src", "source"));
      g_object_set(source, "device", address.location.c_str(), nullptr);
      // Takes pictures out of the driver's few buffers while one is decoded.
      GstElement* queue = add(pipeline, make_element("queue", "queue"));
      g_object_set(queue, "max-size-buffers", 4u, "max-size-bytes", 0u, "max-size-time", guint64{0}, nullptr);
      link(source, queue);
      return link(queue, decode);
    }
    default: {
      GstElement* source = add(pipeline, make_element("filesrc", "source"));
      g_object_set(source, "location", address.location.c_str(), nullptr);
      return link(source, decode);
    }
  }
}

/// What digfusion takes, from its own pad, in the memory that everything else takes as well.
MiniPtr<GstCaps> fusible() {
  MiniPtr<GstCaps> caps;
  const ObjectPtr<GstElementFactory> factory(gst_element_factory_find("digfusion"));
  if (!factory) return MiniPtr<GstCaps>(gst_caps_new_empty_simple("video/x-raw"));
  for (const GList* item = gst_element_factory_get_static_pad_templates(factory.get()); item;
       item = item->next) {
    auto* pad = static_cast<GstStaticPadTemplate*>(item->data);
    if (pad->direction != GST_PAD_SINK) continue;
    caps.reset(gst_caps_make_writable(gst_static_pad_template_get_caps(pad)));
    for (guint i = gst_caps_get_size(caps.get()); i-- > 0;)
      if (!gst_caps_features_is_equal(gst_caps_get_features(caps.get(), i),
                                      GST_CAPS_FEATURES_MEMORY_SYSTEM_MEMORY))
        gst_caps_remove_structure(caps.get(), i);
  }
  return caps;
}

}  // namespace

ObjectPtr<GstElement> make_camera_pipeline(const Address& address, const SourceOptions& options,
                                           const Tap& tap) {
  ObjectPtr<GstElement> pipeline(GST_ELEMENT(gst_object_ref_sink(gst_pipeline_new(nullptr))));
  GstElement* convert = add(pipeline.get(), make_element("videoconvert", "convert"));
  GstElement* filter = add(pipeline.get(), make_element("capsfilter", "filter"));
  const MiniPtr<GstCaps> caps = fusible();
  g_object_set(filter, "caps", caps.get(), nullptr);
  link(convert, filter);
  link(filter, add(pipeline.get(), tap.element()));
  add_source(pipeline.get(), address, options, convert);
  return pipeline;
}

}  // namespace digfusion::pipelines
