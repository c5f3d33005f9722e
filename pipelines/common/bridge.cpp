// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/bridge.h"

#include <exception>
#include <utility>

#include "pipelines/common/failure.h"

namespace digfusion::pipelines {
namespace {

/// A paced picture that is later than this isn't handed on: about a picture of a camera.
constexpr gint64 late = 40 * GST_MSECOND;

/// One reference of our own to an element just made, which stays floating for the bin that takes it.
template <class Element>
ObjectPtr<Element> share(GstElement* element) {
  return ObjectPtr<Element>(reinterpret_cast<Element*>(gst_object_ref(element)));
}

/// What no bin has taken is ours to free.
void drop_floating(gpointer element) {
  if (g_object_is_floating(element)) gst_object_unref(element);
}

}  // namespace

Tap::Tap(const std::string& name, bool paced, std::function<void(Frame)> on_frame,
         std::function<void()> on_end)
    : sink_(share<GstAppSink>(make_element("appsink", name.c_str()))),
      on_frame_(std::move(on_frame)),
      on_end_(std::move(on_end)) {
  g_object_set(sink_.get(), "sync", gboolean{paced}, "qos", gboolean{paced}, "max-lateness",
               paced ? late : gint64{-1}, "max-buffers", 1u, "enable-last-sample", FALSE, nullptr);
  GstAppSinkCallbacks callbacks{};
  callbacks.new_sample = [](GstAppSink* sink, gpointer self) { return static_cast<Tap*>(self)->pull(sink); };
  callbacks.eos = [](GstAppSink*, gpointer self) {
    if (const auto& on_end = static_cast<Tap*>(self)->on_end_) on_end();
  };
  gst_app_sink_set_callbacks(sink_.get(), &callbacks, this, nullptr);
}

Tap::~Tap() {
  GstAppSinkCallbacks none{};
  gst_app_sink_set_callbacks(sink_.get(), &none, nullptr, nullptr);
  drop_floating(sink_.get());
}

GstFlowReturn Tap::pull(GstAppSink* sink) {
  const MiniPtr<GstSample> sample(gst_app_sink_pull_sample(sink));
  if (!sample) return GST_FLOW_EOS;
  try {
    if (Frame frame = Frame::from_sample(sample.get())) on_frame_(std::move(frame));
    return GST_FLOW_OK;
  } catch (const std::exception& error) {
    GST_ELEMENT_ERROR(sink, LIBRARY, FAILED, ("%s", error.what()), (nullptr));
    return GST_FLOW_ERROR;
  }
}

Feed::Feed(const std::string& name, bool live, unsigned depth, Full full)
    : source_(share<GstAppSrc>(make_element("appsrc", name.c_str()))),
      depth_(depth),
      drops_(full == Full::drop_oldest) {
  g_object_set(source_.get(), "format", GST_FORMAT_TIME, "is-live", gboolean{live}, "max-buffers",
               guint64{depth}, "max-bytes", guint64{0}, "max-time", guint64{0}, "block",
               gboolean{full == Full::wait}, "leaky-type",
               full == Full::wait ? GST_APP_LEAKY_TYPE_NONE : GST_APP_LEAKY_TYPE_DOWNSTREAM, nullptr);
}

Feed::~Feed() { drop_floating(source_.get()); }

bool Feed::push(const Frame& frame) {
  set_caps(frame.caps());  // nothing where they are the same
  // A picture that leaves in between makes this one too many, once in a long while: it is for statistics.
  if (drops_ && gst_app_src_get_current_level_buffers(source_.get()) >= depth_) ++left_out_;
  return gst_app_src_push_buffer(source_.get(), gst_buffer_ref(frame.buffer())) == GST_FLOW_OK;
}

void Feed::set_caps(GstCaps* caps) { gst_app_src_set_caps(source_.get(), caps); }

void Feed::send(GstEvent* event) { gst_element_send_event(element(), event); }

void Feed::end() { gst_app_src_end_of_stream(source_.get()); }

}  // namespace digfusion::pipelines
