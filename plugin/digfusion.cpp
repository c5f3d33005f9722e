// SPDX-License-Identifier: LGPL-2.1-or-later
//
// GObject's side of the element: pads, properties, events, queries and state changes. What happens to
// pictures is in fusionstream.h.
//
// Why GstAggregator and not GstVideoAggregator: the latter makes an output timeline of its own from the frame
// rate of its source caps, repeats or drops pictures of every input to fit it, stamps new timestamps, and
// negotiates the output format from all inputs. Here one input leads: each of its pictures comes out once,
// with its own timestamp, metas and caps, and of the other input the nearest picture is wanted. Of
// GstVideoAggregator's services the negotiation of a buffer pool alone is useful; it is in allocation.h.
//
// Threads: property functions run anywhere, change_state in the application's thread, everything below
// "streaming thread" in the source pad's task; flush events come in the upstream threads. Locks, outermost
// first: GstAggregator's own (never taken with one of ours held), Session's fuser lock, Session's state lock.
// Settings', FusionStream's and GpuMemory's locks are leaves. None of ours is held while a message is posted
// or a signal emitted, except the fuser lock around the core's log messages.
#include "plugin/digfusion.h"

#include <gst/video/video.h>

#include <exception>
#include <string>
#include <vector>

#include "plugin/allocation.h"
#include "plugin/cudaloader.h"
#include "plugin/fusionstream.h"
#include "plugin/gpumemory.h"
#include "plugin/inputpad.h"
#include "plugin/linkwatch.h"
#include "plugin/messages.h"
#include "plugin/outputshape.h"
#include "plugin/picturemeta.h"
#include "plugin/presets.h"
#include "plugin/properties.h"
#include "plugin/session.h"
#include "plugin/settings.h"

GST_DEBUG_CATEGORY(digfusion_debug);
#define GST_CAT_DEFAULT digfusion_debug

namespace digfusion {
namespace {

/// The C++ half of the element, owned by it.
struct State {
  State(GstAggregator* element, GstAggregatorPad* visible_pad, GstAggregatorPad* infrared_pad)
      : visible(visible_pad),
        infrared(infrared_pad),
        gpu(GST_ELEMENT(element), settings),
        stream(element, visible, infrared, settings, session, gpu) {}

  GstAggregatorPad* const visible;   ///< the element's
  GstAggregatorPad* const infrared;  ///< the element's
  Settings settings;
  Session session;
  GpuMemory gpu;
  FusionStream stream;
  LinkWatch infrared_watch;
};

}  // namespace
}  // namespace digfusion

struct _GstDigfusion {
  GstAggregator parent;
  digfusion::State* state;  ///< created with the element, deleted in finalize
};

G_DEFINE_TYPE_WITH_CODE(GstDigfusion, gst_digfusion, GST_TYPE_AGGREGATOR,
                        G_IMPLEMENT_INTERFACE(GST_TYPE_CHILD_PROXY, digfusion::pads_as_children)
                            G_IMPLEMENT_INTERFACE(GST_TYPE_PRESET, digfusion::every_property_as_preset))
GST_ELEMENT_REGISTER_DEFINE(digfusion, "digfusion", GST_RANK_NONE, GST_TYPE_DIGFUSION)

namespace digfusion {
namespace {

#define DIGFUSION_FORMATS                                                                          \
  "I420, NV12, YV12, Y42B, Y444, YUY2, UYVY, RGB, BGR, RGBx, BGRx, xRGB, xBGR, RGBA, BGRA, ARGB, " \
  "ABGR, GRAY8, GRAY16_LE, P010_10LE, I420_10LE"

// Those that GStreamer's CUDA memory can hold; gray is none of them.
#define DIGFUSION_CUDA_FORMATS                                                                     \
  "NV12, P010_10LE, I420, YV12, I420_10LE, Y42B, Y444, YUY2, UYVY, RGBA, BGRA, ARGB, ABGR, RGBx, " \
  "BGRx, RGB, BGR"

// Up to 4096×2160, either way round: what the core takes.
#define DIGFUSION_SIZED_CAPS(name, formats, across, high, wide, up)                                          \
  name ", format = (string) { " formats " }, framerate = " GST_VIDEO_FPS_RANGE                               \
       ", width = (int) [ 16, " across " ], height = (int) [ 16, " high " ]; " name                          \
       ", format = (string) { " formats " }, framerate = " GST_VIDEO_FPS_RANGE ", width = (int) [ 16, " wide \
       " ], height = (int) [ 16, " up " ]"
#define DIGFUSION_CAPS_OF(name, formats) DIGFUSION_SIZED_CAPS(name, formats, "4096", "2160", "2160", "4096")
// And with mode=side-by-side twice as wide.
#define DIGFUSION_WIDE_CAPS_OF(name, formats) \
  DIGFUSION_SIZED_CAPS(name, formats, "8192", "2160", "4320", "4096")
// CUDA memory first, and on every machine: templates are kept in GStreamer's registry, where what the machine
// had when the plugin was scanned would stay true for good. Whether this one has CUDA memory, queries for
// caps tell.
#define DIGFUSION_CUDA_RAW "video/x-raw(" DIGFUSION_CUDA_MEMORY ")"
#define DIGFUSION_CAPS_WITH(formats) \
  DIGFUSION_CAPS_OF(DIGFUSION_CUDA_RAW, DIGFUSION_CUDA_FORMATS) "; " DIGFUSION_CAPS_OF("video/x-raw", formats)
#define DIGFUSION_CAPS DIGFUSION_CAPS_WITH(DIGFUSION_FORMATS)
#define DIGFUSION_OUTPUT_CAPS                                        \
  DIGFUSION_WIDE_CAPS_OF(DIGFUSION_CUDA_RAW, DIGFUSION_CUDA_FORMATS) \
  "; " DIGFUSION_WIDE_CAPS_OF("video/x-raw", DIGFUSION_FORMATS)

// The stream that leads: its pictures give the output's timing, size, format and colours.
GstStaticPadTemplate visible_template =
    GST_STATIC_PAD_TEMPLATE("visible", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(DIGFUSION_CAPS));
// Its luma is fused in. Grey of 8 or 16 bits is what thermal cameras give; any other format does as well.
GstStaticPadTemplate infrared_template =
    GST_STATIC_PAD_TEMPLATE("infrared", GST_PAD_SINK, GST_PAD_ALWAYS,
                            GST_STATIC_CAPS(DIGFUSION_CAPS_WITH(DIGFUSION_FORMATS ", GRAY16_BE")));
// The caps of the visible stream, as the view makes them, but for the memory.
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(DIGFUSION_OUTPUT_CAPS));

State& state_of(gpointer element) { return *GST_DIGFUSION(element)->state; }

// ---- properties

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  State& state = state_of(object);
  if (id == prop_force_live)
    return gst_aggregator_set_force_live(GST_AGGREGATOR(object), g_value_get_boolean(value));
  if (set_own(state.settings, id, value)) return;
  const ParameterSpec* spec = parameter_of(id);
  if (!spec) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
    return;
  }
  std::vector<const ParameterSpec*> changed;
  if (const auto message = state.settings.set(*spec, to_value(*spec, value), changed))
    GST_ELEMENT_WARNING(object, LIBRARY, SETTINGS, ("%s", message->c_str()), (nullptr));
  for (const ParameterSpec* other : changed) g_object_notify(object, other->name);
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  State& state = state_of(object);
  if (get_own(state.settings, id, value)) return;
  if (id == prop_force_live)
    return g_value_set_boolean(value, gst_aggregator_get_force_live(GST_AGGREGATOR(object)));
  if (id == prop_stats) {
    GstStructure* stats = to_structure(state.stream.counts(), state.session.statistics());
    state.stream.tell_refined(stats);
    return g_value_take_boxed(value, stats);
  }
  if (const ParameterSpec* spec = parameter_of(id))
    return from_value(*spec, spec->get(state.settings.parameters()), value);
  G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

// ---- state changes

gboolean start(GstAggregator* element) {
  State& state = state_of(element);
  // Loading takes all parameters: what was set until now is no change to be told again. What is set from here
  // on is, even where loading gets it, too.
  (void)state.settings.take_changes();
  state.stream.start();
  const Status status = state.session.start(state.settings.parameters(), &log_to_element, element);
  if (!status.ok()) post_error(GST_ELEMENT(element), "The fusion core could not be started", status);
  return status.ok();
}

gboolean stop(GstAggregator* element) {
  State& state = state_of(element);
  state.infrared_watch.stop();
  state.session.stop();
  state.stream.stop();
  state.gpu.forget();
  return TRUE;
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  State& state = state_of(element);
  if (transition == GST_STATE_CHANGE_NULL_TO_READY) {
    std::string message;
    if (!state.session.open(message)) {
      GST_ELEMENT_ERROR(element, LIBRARY, INIT, ("%s", message.c_str()), (nullptr));
      return GST_STATE_CHANGE_FAILURE;
    }
    if (!cuda_door()) GST_INFO_OBJECT(element, "no CUDA memory: %s", no_cuda_reason().message);
  }
  // A failure to load is reported here or with the first picture, not by the loader: gst-launch-1.0 1.22
  // hangs when an error comes while it is still setting the pipeline to PAUSED.
  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING) {
    if (const Status status = state.session.load_failure(); !status.ok()) {
      post_error(element, load_failed, status);
      return GST_STATE_CHANGE_FAILURE;
    }
  }
  // The streaming thread may be waiting for the core, and is waited for by the parent class.
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) state.session.interrupt(true);
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_digfusion_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_READY_TO_NULL) state.session.close();
  return result;
}

// ---- streaming thread (and upstream's, for flushes)

gboolean sink_event(GstAggregator* element, GstAggregatorPad* pad, GstEvent* event) {
  State& state = state_of(element);
  const bool is_visible = pad == state.visible;
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_CAPS: {
      GstCaps* caps = nullptr;
      gst_event_parse_caps(event, &caps);
      const bool accepted = state.stream.set_caps(pad, caps);
      if (accepted && is_visible) state.infrared_watch.start(GST_PAD(state.infrared));
      gst_event_unref(event);
      return accepted;
    }
    case GST_EVENT_SEGMENT: {
      const GstSegment* segment = nullptr;
      gst_event_parse_segment(event, &segment);
      if (segment->format != GST_FORMAT_TIME) {
        GST_ELEMENT_ERROR(
            element, STREAM, FORMAT,
            ("The pad \"%s\" got a segment in %s; pictures are paired by time, so give it a stream with "
             "timestamps",
             GST_PAD_NAME(pad), gst_format_get_name(segment->format)),
            (nullptr));
        gst_event_unref(event);
        return FALSE;
      }
      if (segment->rate < 0) {
        GST_ELEMENT_ERROR(element, STREAM, FORMAT,
                          ("The pad \"%s\" got a segment of rate %g; digfusion doesn't play backwards",
                           GST_PAD_NAME(pad), segment->rate),
                          (nullptr));
        gst_event_unref(event);
        return FALSE;
      }
      if (is_visible) {
        gst_aggregator_update_segment(element, segment);
        state.stream.segment_changed();
      }
      break;
    }
    case GST_EVENT_FLUSH_START:
      state.stream.flush_started();
      break;
    case GST_EVENT_FLUSH_STOP:
      state.stream.flush_stopped(is_visible);
      break;
    case GST_EVENT_STREAM_START:
      state.stream.forget_tags(pad);
      break;
    case GST_EVENT_TAG:
      state.stream.take_tags(pad, event);
      return TRUE;
    case GST_EVENT_EOS:
    case GST_EVENT_GAP:
      break;
    default:
      // The output is the visible stream, changed; what else is told of the infrared one ends here.
      if (is_visible && !GST_EVENT_IS_SERIALIZED(event)) break;
      if (is_visible)
        state.stream.forward(event);
      else
        gst_event_unref(event);
      return TRUE;
  }
  return GST_AGGREGATOR_CLASS(gst_digfusion_parent_class)->sink_event(element, pad, event);
}

/// What a pad takes or gives on this machine, of that what the query asks for.
CapsRef possible_caps(GstQuery* query, GstPad* pad, const GpuMemory& gpu) {
  GstCaps* filter = nullptr;
  gst_query_parse_caps(query, &filter);
  CapsRef known(gst_pad_get_pad_template_caps(pad));
  if (!gpu.usable()) known = without_cuda(known.get());
  if (!filter) return known;
  return CapsRef(gst_caps_intersect_full(filter, known.get(), GST_CAPS_INTERSECT_FIRST));
}

/// What the visible pad takes and the source pad gives: whatever `other` has for a peer can do, of the
/// template; at any rate where that isn't the visible stream's. The other pad's pictures are `times`/`over`
/// as wide. In which memory either is doesn't matter to the other.
void answer_caps(GstQuery* query, GstPad* pad, GstPad* other, const GpuMemory& gpu, bool any_rate, int times,
                 int over) {
  const CapsRef possible = possible_caps(query, pad, gpu);
  const CapsRef asked =
      gpu.usable() ? in_either_memory(possible.get()) : CapsRef(gst_caps_ref(possible.get()));
  CapsRef peer(peer_caps_across(other, any_rate ? nullptr : asked.get(), times, over));
  if (any_rate) {
    peer.reset(gst_caps_make_writable(peer.release()));
    gst_caps_set_simple(peer.get(), "framerate", GST_TYPE_FRACTION_RANGE, 0, 1, G_MAXINT, 1, nullptr);
  }
  if (gpu.usable()) peer = in_either_memory(peer.get());
  const CapsRef result(gst_caps_intersect_full(peer.get(), possible.get(), GST_CAPS_INTERSECT_FIRST));
  gst_query_set_caps_result(query, result.get());
}

gboolean sink_query(GstAggregator* element, GstAggregatorPad* pad, GstQuery* query) {
  State& state = state_of(element);
  if (GST_QUERY_TYPE(query) == GST_QUERY_CAPS) {
    if (pad == state.visible)
      answer_caps(query, GST_PAD(pad), GST_AGGREGATOR_SRC_PAD(element), state.gpu,
                  state.settings.stream().lead == Lead::infrared,
                  OutputShape(state.settings.parameters()).across(), 1);
    else
      gst_query_set_caps_result(query, possible_caps(query, GST_PAD(pad), state.gpu).get());
    return TRUE;
  }
  if (GST_QUERY_TYPE(query) == GST_QUERY_CONTEXT && state.gpu.answer_context(query)) return TRUE;
  return GST_AGGREGATOR_CLASS(gst_digfusion_parent_class)->sink_query(element, pad, query);
}

gboolean src_query(GstAggregator* element, GstQuery* query) {
  State& state = state_of(element);
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_CAPS:
      answer_caps(query, GST_AGGREGATOR_SRC_PAD(element), GST_PAD(state.visible), state.gpu,
                  state.settings.stream().lead == Lead::infrared, 1,
                  OutputShape(state.settings.parameters()).across());
      return TRUE;
    case GST_QUERY_CONTEXT:
      if (state.gpu.answer_context(query)) return TRUE;
      return GST_AGGREGATOR_CLASS(gst_digfusion_parent_class)->src_query(element, query);
    case GST_QUERY_POSITION:
    case GST_QUERY_DURATION:
      return gst_pad_peer_query(GST_PAD(state.visible), query);
    default:
      return GST_AGGREGATOR_CLASS(gst_digfusion_parent_class)->src_query(element, query);
  }
}

gboolean src_event(GstAggregator* element, GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEEK) {
    gdouble rate = 1;
    gst_event_parse_seek(event, &rate, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
    if (rate < 0) {
      GST_WARNING_OBJECT(element, "seek with rate %g refused: digfusion doesn't play backwards", rate);
      gst_event_unref(event);
      return FALSE;
    }
  }
  // GstAggregator would end it here.
  if (GST_EVENT_TYPE(event) == GST_EVENT_NAVIGATION) return state_of(element).stream.navigate(event);
  if (GST_EVENT_TYPE(event) == GST_EVENT_QOS) state_of(element).stream.told_lateness(event);
  return GST_AGGREGATOR_CLASS(gst_digfusion_parent_class)->src_event(element, event);
}

GstFlowReturn update_src_caps(GstAggregator* element, GstCaps* downstream, GstCaps** result) {
  State& state = state_of(element);
  GstCaps* caps = state.stream.output_caps();
  if (!caps) return GST_AGGREGATOR_FLOW_NEED_DATA;
  const GstFlowReturn flow = state.stream.shape_output(caps);
  const CapsRef shaped(caps);
  if (flow != GST_FLOW_OK) return flow;
  if (!state.gpu.knows_core()) {  // which memory is best depends on where it computes
    if (state.session.wait_ready() == Session::Readiness::interrupted) {
      gst_pad_mark_reconfigure(GST_AGGREGATOR_SRC_PAD(element));  // ask again
      return GST_AGGREGATOR_FLOW_NEED_DATA;
    }
    state.gpu.core_is_on(state.session.statistics().device);
  }
  const CapsRef everything(gst_pad_get_pad_template_caps(GST_AGGREGATOR_SRC_PAD(element)));
  *result = state.gpu.in_best_memory(shaped.get(), downstream, everything.get()).release();
  return GST_FLOW_OK;
}

gboolean decide_allocation(GstAggregator* element, GstQuery* query) {
  return state_of(element).stream.decide_allocation(query);
}

gboolean propose_allocation(GstAggregator* element, GstAggregatorPad*, GstQuery*, GstQuery* query) {
  return propose_pool(query, state_of(element).gpu);
}

GstBuffer* clip(GstAggregator* element, GstAggregatorPad* pad, GstBuffer* buffer) {
  return state_of(element).stream.clip(pad, buffer);
}

GstFlowReturn aggregate(GstAggregator* element, gboolean timeout) {
  try {
    return state_of(element).stream.aggregate(timeout);
  } catch (const std::exception& error) {
    GST_ELEMENT_ERROR(element, LIBRARY, FAILED, ("%s", error.what()), (nullptr));
    return GST_FLOW_ERROR;
  }
}

GstClockTime get_next_time(GstAggregator* element) { return state_of(element).stream.next_time(); }

// ---- the class

GstAggregatorPad* add_pad(GstDigfusion* self, const char* name) {
  GstPadTemplate* pad_template = gst_element_class_get_pad_template(GST_ELEMENT_GET_CLASS(self), name);
  auto* pad = static_cast<GstPad*>(g_object_new(GST_TYPE_DIGFUSION_PAD, "name", name, "direction",
                                                GST_PAD_SINK, "template", pad_template, nullptr));
  gst_element_add_pad(GST_ELEMENT(self), pad);
  return GST_AGGREGATOR_PAD(pad);
}

void finalize(GObject* object) {
  delete GST_DIGFUSION(object)->state;
  G_OBJECT_CLASS(gst_digfusion_parent_class)->finalize(object);
}

}  // namespace
}  // namespace digfusion

static void gst_digfusion_init(GstDigfusion* self) {
  GstAggregatorPad* visible = digfusion::add_pad(self, "visible");
  GstAggregatorPad* infrared = digfusion::add_pad(self, "infrared");
  self->state = new digfusion::State(GST_AGGREGATOR(self), visible, infrared);
}

static void gst_digfusion_class_init(GstDigfusionClass* klass) {
  GST_DEBUG_CATEGORY_INIT(digfusion_debug, "digfusion", 0, "diffusion fusion of visible and infrared video");

  auto* object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = digfusion::set_property;
  object_class->get_property = digfusion::get_property;
  object_class->finalize = digfusion::finalize;
  digfusion::install_properties(object_class);
  digfusion::register_picture_meta();

  auto* element_class = GST_ELEMENT_CLASS(klass);
  element_class->change_state = digfusion::change_state;
  for (auto* pad_template : {&digfusion::visible_template, &digfusion::infrared_template})
    gst_element_class_add_static_pad_template_with_gtype(element_class, pad_template, GST_TYPE_DIGFUSION_PAD);
  gst_element_class_add_static_pad_template_with_gtype(element_class, &digfusion::src_template,
                                                       GST_TYPE_AGGREGATOR_PAD);
  gst_element_class_set_static_metadata(
      element_class, "Diffusion fusion of visible and infrared video", "Filter/Effect/Video/Compositor",
      "Fuses a visible and an infrared video stream by diffusion information gain (Dig2DIG)",
      "The digfusion authors");

  auto* aggregator_class = GST_AGGREGATOR_CLASS(klass);
  aggregator_class->start = digfusion::start;
  aggregator_class->stop = digfusion::stop;
  aggregator_class->sink_event = digfusion::sink_event;
  aggregator_class->sink_query = digfusion::sink_query;
  aggregator_class->src_event = digfusion::src_event;
  aggregator_class->src_query = digfusion::src_query;
  aggregator_class->update_src_caps = digfusion::update_src_caps;
  aggregator_class->decide_allocation = digfusion::decide_allocation;
  aggregator_class->propose_allocation = digfusion::propose_allocation;
  aggregator_class->clip = digfusion::clip;
  aggregator_class->aggregate = digfusion::aggregate;
  aggregator_class->get_next_time = digfusion::get_next_time;
}
