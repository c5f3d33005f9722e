// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The bin starts only the views whose pads are linked, and survives a view that loses its peer: it is an
// error only when nobody takes any view, as with a demuxer. The ideal view exists while its pad is requested.
#include "plugin/digtestsrc.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <vector>

#include "core/scene/pattern.h"
#include "plugin/digtestview.h"
#include "plugin/testfaults.h"

GST_DEBUG_CATEGORY_STATIC(gst_dig_test_src_debug);
#define GST_CAT_DEFAULT gst_dig_test_src_debug

namespace {

using digfusion::View;
namespace scene = digfusion::scene;

enum Property : guint { prop_pattern = 1, prop_seed, prop_num_buffers, prop_is_live, prop_first_fault };

constexpr guint64 default_seed = 0;

struct SourceState {
  struct Stream {
    GstElement* view = nullptr;  ///< owned by the bin; null while the ideal view isn't wanted
    GstPad* pad = nullptr;       ///< owned by the bin
    bool stopped = false;        ///< its view found no peer and gave up
  };

  /// Of all below and, for their changes, of the views and pads; taken before any GStreamer lock, held only
  /// briefly.
  std::mutex mutex;
  std::array<Stream, 3> streams;  ///< in the order of View
  scene::Pattern pattern = scene::default_pattern;
  guint64 seed = default_seed;
  scene::Faults faults;  ///< of the infrared view
  bool running = false;  ///< between READY→PAUSED and PAUSED→READY
};

}  // namespace

struct _GstDigTestSrc {
  GstBin parent;
  SourceState* state;
};

G_DEFINE_TYPE(GstDigTestSrc, gst_dig_test_src, GST_TYPE_BIN)
GST_ELEMENT_REGISTER_DEFINE(digtestsrc, "digtestsrc", GST_RANK_NONE, GST_TYPE_DIG_TEST_SRC)

/// The streams whose views exist, as they are now.
static std::vector<SourceState::Stream> streams_of(SourceState* state) {
  const std::lock_guard lock(state->mutex);
  std::vector<SourceState::Stream> streams;
  for (const SourceState::Stream& stream : state->streams)
    if (stream.view) streams.push_back(stream);
  return streams;
}

static GType gst_dig_test_src_pattern_get_type() {
  static const GType type = [] {
    static std::vector<GEnumValue> values;
    for (const scene::PatternInfo& info : scene::pattern_table())
      values.push_back({static_cast<gint>(info.value), info.blurb, info.nick});
    values.push_back({0, nullptr, nullptr});
    return g_enum_register_static("GstDigTestSrcPattern", values.data());
  }();
  return type;
}

static void set_scene(SourceState* state, std::optional<scene::Pattern> pattern,
                      std::optional<guint64> seed) {
  std::unique_lock lock(state->mutex);
  state->pattern = pattern.value_or(state->pattern);
  state->seed = seed.value_or(state->seed);
  pattern = state->pattern;
  seed = state->seed;
  lock.unlock();
  for (const SourceState::Stream& stream : streams_of(state))
    gst_dig_test_view_set_scene(GST_DIG_TEST_VIEW(stream.view), *pattern, *seed);
}

/// False when no fault has that property number.
static bool set_faults(SourceState* state, guint id, const GValue* value) {
  std::unique_lock lock(state->mutex);
  if (id < prop_first_fault || !digfusion::set_fault(state->faults, id - prop_first_fault, value))
    return false;
  const scene::Faults faults = state->faults;
  GstElement* view = state->streams[static_cast<std::size_t>(View::infrared)].view;
  lock.unlock();
  gst_dig_test_view_set_faults(GST_DIG_TEST_VIEW(view), faults);
  return true;
}

static void gst_dig_test_src_set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  SourceState* state = GST_DIG_TEST_SRC(object)->state;
  switch (id) {
    case prop_pattern:
      set_scene(state, static_cast<scene::Pattern>(g_value_get_enum(value)), std::nullopt);
      break;
    case prop_seed:
      set_scene(state, std::nullopt, g_value_get_uint64(value));
      break;
    case prop_num_buffers:
      for (const SourceState::Stream& stream : streams_of(state))
        g_object_set_property(G_OBJECT(stream.view), "num-buffers", value);
      break;
    case prop_is_live:
      for (const SourceState::Stream& stream : streams_of(state))
        gst_base_src_set_live(GST_BASE_SRC(stream.view), g_value_get_boolean(value));
      break;
    default:
      if (!set_faults(state, id, value)) G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

static void gst_dig_test_src_get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  SourceState* state = GST_DIG_TEST_SRC(object)->state;
  GstElement* view = state->streams[0].view;
  std::unique_lock lock(state->mutex);
  const scene::Pattern pattern = state->pattern;
  const guint64 seed = state->seed;
  const scene::Faults faults = state->faults;
  lock.unlock();
  switch (id) {
    case prop_pattern:
      g_value_set_enum(value, static_cast<gint>(pattern));
      break;
    case prop_seed:
      g_value_set_uint64(value, seed);
      break;
    case prop_num_buffers:
      g_object_get_property(G_OBJECT(view), "num-buffers", value);
      break;
    case prop_is_live:
      g_value_set_boolean(value, gst_base_src_is_live(GST_BASE_SRC(view)));
      break;
    default:
      if (id < prop_first_fault || !digfusion::get_fault(faults, id - prop_first_fault, value))
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

/// Whether the view makes frames. Under the lock.
static bool runs(const SourceState::Stream& stream) {
  return stream.view && !stream.stopped && !gst_element_is_locked_state(stream.view);
}

/// A pad found a peer while the bin runs: its view joins in, at the frame that the others have reached.
static void on_linked(GstPad* pad, GstPad*, gpointer user_data) {
  auto* self = GST_DIG_TEST_SRC(user_data);
  SourceState* state = self->state;
  GstElement* view = nullptr;
  GstClockTime position = 0;
  {
    const std::lock_guard lock(state->mutex);
    if (!state->running) return;
    for (SourceState::Stream& stream : state->streams) {
      if (stream.pad == pad) {
        if (runs(stream)) return;
        stream.stopped = false;
        view = stream.view;
      } else if (runs(stream)) {
        position = std::max(position, gst_dig_test_view_position(GST_DIG_TEST_VIEW(stream.view)));
      }
    }
  }
  if (!view) return;
  GST_INFO_OBJECT(self, "%" GST_PTR_FORMAT " joins in", view);
  gst_element_set_locked_state(view, TRUE);
  gst_element_set_state(view, GST_STATE_READY);
  gst_dig_test_view_start_at(GST_DIG_TEST_VIEW(view), position);
  gst_element_set_locked_state(view, FALSE);
  gst_element_sync_state_with_parent(view);
}

/// Makes a view and its pad, as `templ` says. Returns the pad, which the bin owns.
static GstPad* add_stream(GstDigTestSrc* self, View view, GstPadTemplate* templ) {
  GstElement* child = gst_dig_test_view_new(view);
  gst_bin_add(GST_BIN(self), child);
  GstPad* source = gst_element_get_static_pad(child, "src");
  GstPad* pad = gst_ghost_pad_new_from_template(digfusion::view_name(view), source, templ);
  gst_object_unref(source);
  g_signal_connect(pad, "linked", G_CALLBACK(on_linked), self);
  const std::lock_guard lock(self->state->mutex);
  self->state->streams[static_cast<std::size_t>(view)] = {child, pad, false};
  return pad;
}

static GstPad* gst_dig_test_src_request_new_pad(GstElement* element, GstPadTemplate* templ, const gchar*,
                                                const GstCaps*) {
  auto* self = GST_DIG_TEST_SRC(element);
  SourceState* state = self->state;
  const auto index = static_cast<std::size_t>(View::ideal);
  scene::Pattern pattern;
  guint64 seed;
  bool running;
  {
    const std::lock_guard lock(state->mutex);
    if (state->streams[index].view) {
      GST_WARNING_OBJECT(self, "the ideal view has been asked for already");
      return nullptr;
    }
    pattern = state->pattern;
    seed = state->seed;
    running = state->running;
  }
  GstPad* pad = add_stream(self, View::ideal, templ);
  GstElement *view = state->streams[index].view, *first = state->streams[0].view;
  gst_element_set_locked_state(view, running);  // it waits for a peer
  gst_dig_test_view_set_scene(GST_DIG_TEST_VIEW(view), pattern, seed);
  gst_base_src_set_live(GST_BASE_SRC(view), gst_base_src_is_live(GST_BASE_SRC(first)));
  g_object_set(view, "num-buffers", GST_BASE_SRC(first)->num_buffers, nullptr);
  if (running) gst_pad_set_active(pad, TRUE);
  gst_element_add_pad(element, pad);
  return pad;
}

static void gst_dig_test_src_release_pad(GstElement* element, GstPad* pad) {
  auto* self = GST_DIG_TEST_SRC(element);
  {
    const std::lock_guard lock(self->state->mutex);
    SourceState::Stream& stream = self->state->streams[static_cast<std::size_t>(View::ideal)];
    if (stream.pad != pad) return;
    stream = {};
  }
  // A bin that is disposed of has let its children go before its pads.
  GstElement* view = gst_bin_get_by_name(GST_BIN(element), digfusion::view_name(View::ideal));
  if (view) {
    gst_element_set_locked_state(view, TRUE);
    gst_element_set_state(view, GST_STATE_NULL);
  }
  gst_pad_set_active(pad, FALSE);
  gst_element_remove_pad(element, pad);
  if (!view) return;
  gst_bin_remove(GST_BIN(element), view);
  gst_object_unref(view);
}

/// Whether a view's error is only that nobody takes it, while another one is taken.
static bool goes_on_without(SourceState* state, const GstObject* source) {
  const std::lock_guard lock(state->mutex);
  const auto lost =
      std::find_if(state->streams.begin(), state->streams.end(),
                   [source](const SourceState::Stream& s) { return s.view && GST_OBJECT(s.view) == source; });
  if (lost == state->streams.end()) return false;
  lost->stopped = true;
  return std::any_of(state->streams.begin(), state->streams.end(), [](const SourceState::Stream& stream) {
    return runs(stream) && gst_pad_is_linked(stream.pad);
  });
}

static void gst_dig_test_src_handle_message(GstBin* bin, GstMessage* message) {
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    const GstStructure* details = nullptr;
    gst_message_parse_error_details(message, &details);
    gint flow = GST_FLOW_ERROR;
    if (details) gst_structure_get_int(details, "flow-return", &flow);
    if (flow == GST_FLOW_NOT_LINKED &&
        goes_on_without(GST_DIG_TEST_SRC(bin)->state, GST_MESSAGE_SRC(message))) {
      GST_INFO_OBJECT(bin, "nobody takes %" GST_PTR_FORMAT "; the others go on", GST_MESSAGE_SRC(message));
      gst_message_unref(message);
      return;
    }
  }
  GST_BIN_CLASS(gst_dig_test_src_parent_class)->handle_message(bin, message);
}

static GstStateChangeReturn gst_dig_test_src_change_state(GstElement* element, GstStateChange transition) {
  SourceState* state = GST_DIG_TEST_SRC(element)->state;
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    const std::vector<SourceState::Stream> streams = streams_of(state);
    const bool any = std::any_of(streams.begin(), streams.end(), [](const SourceState::Stream& stream) {
      return gst_pad_is_linked(stream.pad);
    });
    for (const SourceState::Stream& stream : streams)
      gst_element_set_locked_state(stream.view, any && !gst_pad_is_linked(stream.pad));
    const std::lock_guard lock(state->mutex);
    for (SourceState::Stream& stream : state->streams) stream.stopped = false;
    state->running = true;
  }
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    const std::lock_guard lock(state->mutex);
    state->running = false;
  }
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_dig_test_src_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && result == GST_STATE_CHANGE_FAILURE) {
    const std::lock_guard lock(state->mutex);
    state->running = false;
  }
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY || result == GST_STATE_CHANGE_FAILURE)
    for (const SourceState::Stream& stream : streams_of(state))
      gst_element_set_locked_state(stream.view, FALSE);
  return result;
}

static void gst_dig_test_src_finalize(GObject* object) {
  delete GST_DIG_TEST_SRC(object)->state;
  G_OBJECT_CLASS(gst_dig_test_src_parent_class)->finalize(object);
}

static void gst_dig_test_src_class_init(GstDigTestSrcClass* klass) {
  GST_DEBUG_CATEGORY_INIT(gst_dig_test_src_debug, "digtestsrc", 0, "generated visible and infrared streams");
  auto* object = G_OBJECT_CLASS(klass);
  object->set_property = gst_dig_test_src_set_property;
  object->get_property = gst_dig_test_src_get_property;
  object->finalize = gst_dig_test_src_finalize;
  const auto usual = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
  const auto while_playing = static_cast<GParamFlags>(usual | GST_PARAM_MUTABLE_PLAYING);
  const auto while_ready = static_cast<GParamFlags>(usual | GST_PARAM_MUTABLE_READY);
  g_object_class_install_property(
      object, prop_pattern,
      g_param_spec_enum(
          "pattern", "Pattern",
          "The scene: light, weather and what spoils the visible picture. Both views show the same "
          "people and vehicles at the same places",
          gst_dig_test_src_pattern_get_type(), static_cast<gint>(scene::default_pattern), while_playing));
  g_object_class_install_property(
      object, prop_seed,
      g_param_spec_uint64(
          "seed", "Seed",
          "Which one of the scenes of that pattern: clothes, colours, texts, textures, clouds, "
          "smoke and sensor noise. A frame depends on pattern, seed, size, its number and its time only",
          0, G_MAXUINT64, default_seed, while_playing));
  g_object_class_install_property(
      object, prop_num_buffers,
      g_param_spec_int("num-buffers", "Number of buffers",
                       "Frames of each view before the end of the stream; -1: without end", -1, G_MAXINT, -1,
                       while_ready));
  g_object_class_install_property(
      object, prop_is_live,
      g_param_spec_boolean(
          "is-live", "Is live",
          "Whether frames come in real time, as a camera's do; such a stream can't be seeked", FALSE,
          while_ready));
  digfusion::install_fault_properties(object, prop_first_fault);

  auto* element = GST_ELEMENT_CLASS(klass);
  element->change_state = gst_dig_test_src_change_state;
  element->request_new_pad = gst_dig_test_src_request_new_pad;
  element->release_pad = gst_dig_test_src_release_pad;
  GST_BIN_CLASS(klass)->handle_message = gst_dig_test_src_handle_message;
  gst_element_class_set_static_metadata(element, "Visible and infrared test source", "Source/Video",
                                        "Generates a street scene as a visible and an infrared stream with "
                                        "equal timestamps: people behind smoke, in "
                                        "the dark or in glare, whom only the infrared camera sees",
                                        "the digfusion project");
  for (const View view : {View::visible, View::infrared, View::ideal}) {
    GstCaps* caps = gst_caps_from_string(digfusion::view_caps(view));
    gst_element_class_add_pad_template(
        element, gst_pad_template_new(digfusion::view_name(view), GST_PAD_SRC,
                                      view == View::ideal ? GST_PAD_REQUEST : GST_PAD_ALWAYS, caps));
    gst_caps_unref(caps);
  }
  gst_type_mark_as_plugin_api(gst_dig_test_src_pattern_get_type(), static_cast<GstPluginAPIFlags>(0));
}

static void gst_dig_test_src_init(GstDigTestSrc* self) {
  self->state = new SourceState;
  GstElementClass* klass = GST_ELEMENT_GET_CLASS(self);
  for (const View view : {View::visible, View::infrared})
    gst_element_add_pad(
        GST_ELEMENT(self),
        add_stream(self, view, gst_element_class_get_pad_template(klass, digfusion::view_name(view))));
  set_scene(self->state, scene::default_pattern, default_seed);
}
