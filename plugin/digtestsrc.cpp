// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The bin starts only the views whose pads are linked, and survives a view that loses its peer: it is an
// error only when nobody takes either view, as with a demuxer.
#include "plugin/digtestsrc.h"

#include <array>
#include <mutex>
#include <optional>
#include <vector>

#include "core/scene/pattern.h"
#include "plugin/digtestview.h"

GST_DEBUG_CATEGORY_STATIC(gst_dig_test_src_debug);
#define GST_CAT_DEFAULT gst_dig_test_src_debug

namespace {

using digfusion::View;
namespace scene = digfusion::scene;

enum Property : guint { prop_pattern = 1, prop_seed, prop_num_buffers, prop_is_live };

constexpr guint64 default_seed = 0;

struct SourceState {
  struct Stream {
    GstElement* view = nullptr;  ///< owned by the bin
    GstPad* pad = nullptr;       ///< owned by the bin
    bool stopped = false;        ///< its view found no peer and gave up
  };
  std::array<Stream, 2> streams;

  std::mutex mutex;  ///< of all below and of `stopped`; taken before any GStreamer lock, held only briefly
  scene::Pattern pattern = scene::default_pattern;
  guint64 seed = default_seed;
  bool running = false;  ///< between READY→PAUSED and PAUSED→READY
};

}  // namespace

struct _GstDigTestSrc {
  GstBin parent;
  SourceState* state;
};

G_DEFINE_TYPE(GstDigTestSrc, gst_dig_test_src, GST_TYPE_BIN)
GST_ELEMENT_REGISTER_DEFINE(digtestsrc, "digtestsrc", GST_RANK_NONE, GST_TYPE_DIG_TEST_SRC)

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
  for (const SourceState::Stream& stream : state->streams)
    gst_dig_test_view_set_scene(GST_DIG_TEST_VIEW(stream.view), *pattern, *seed);
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
      for (const SourceState::Stream& stream : state->streams)
        g_object_set_property(G_OBJECT(stream.view), "num-buffers", value);
      break;
    case prop_is_live:
      for (const SourceState::Stream& stream : state->streams)
        gst_base_src_set_live(GST_BASE_SRC(stream.view), g_value_get_boolean(value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

static void gst_dig_test_src_get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  SourceState* state = GST_DIG_TEST_SRC(object)->state;
  GstElement* view = state->streams[0].view;
  std::unique_lock lock(state->mutex);
  const scene::Pattern pattern = state->pattern;
  const guint64 seed = state->seed;
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
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

/// A pad found a peer while the bin runs: its view joins in, at the frame that the other one has reached.
static void on_linked(GstPad* pad, GstPad*, gpointer user_data) {
  auto* self = GST_DIG_TEST_SRC(user_data);
  SourceState* state = self->state;
  const int index = pad == state->streams[0].pad ? 0 : 1;
  SourceState::Stream& stream = state->streams[index];
  {
    const std::lock_guard lock(state->mutex);
    if (!state->running) return;
    if (!stream.stopped && !gst_element_is_locked_state(stream.view)) return;
    stream.stopped = false;
  }
  GST_INFO_OBJECT(self, "%" GST_PTR_FORMAT " joins in", stream.view);
  gst_element_set_locked_state(stream.view, TRUE);
  gst_element_set_state(stream.view, GST_STATE_READY);
  gst_dig_test_view_start_at(GST_DIG_TEST_VIEW(stream.view),
                             gst_dig_test_view_position(GST_DIG_TEST_VIEW(state->streams[1 - index].view)));
  gst_element_set_locked_state(stream.view, FALSE);
  gst_element_sync_state_with_parent(stream.view);
}

static void gst_dig_test_src_handle_message(GstBin* bin, GstMessage* message) {
  SourceState* state = GST_DIG_TEST_SRC(bin)->state;
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    const GstStructure* details = nullptr;
    gst_message_parse_error_details(message, &details);
    gint flow = GST_FLOW_ERROR;
    if (details) gst_structure_get_int(details, "flow-return", &flow);
    for (int i = 0; i < 2 && flow == GST_FLOW_NOT_LINKED; ++i) {
      SourceState::Stream &stream = state->streams[i], &other = state->streams[1 - i];
      if (GST_MESSAGE_SRC(message) != GST_OBJECT(stream.view)) continue;
      std::unique_lock lock(state->mutex);
      stream.stopped = true;
      const bool other_runs = !other.stopped && !gst_element_is_locked_state(other.view);
      lock.unlock();
      if (!other_runs || !gst_pad_is_linked(other.pad)) break;
      GST_INFO_OBJECT(bin, "nobody takes %" GST_PTR_FORMAT "; the other view goes on", stream.view);
      gst_message_unref(message);
      return;
    }
  }
  GST_BIN_CLASS(gst_dig_test_src_parent_class)->handle_message(bin, message);
}

static GstStateChangeReturn gst_dig_test_src_change_state(GstElement* element, GstStateChange transition) {
  SourceState* state = GST_DIG_TEST_SRC(element)->state;
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    const bool any = gst_pad_is_linked(state->streams[0].pad) || gst_pad_is_linked(state->streams[1].pad);
    for (const SourceState::Stream& stream : state->streams)
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
    for (const SourceState::Stream& stream : state->streams) gst_element_set_locked_state(stream.view, FALSE);
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
          "smoke and sensor noise. A frame depends on pattern, seed, size and its number only",
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

  auto* element = GST_ELEMENT_CLASS(klass);
  element->change_state = gst_dig_test_src_change_state;
  GST_BIN_CLASS(klass)->handle_message = gst_dig_test_src_handle_message;
  gst_element_class_set_static_metadata(element, "Visible and infrared test source", "Source/Video",
                                        "Generates a street scene as a visible and an infrared stream with "
                                        "equal timestamps: people behind smoke, in "
                                        "the dark or in glare, whom only the infrared camera sees",
                                        "the digfusion project");
  for (const View view : {View::visible, View::infrared}) {
    GstCaps* caps = gst_caps_from_string(digfusion::view_caps(view));
    gst_element_class_add_pad_template(
        element, gst_pad_template_new(view == View::visible ? "visible" : "infrared", GST_PAD_SRC,
                                      GST_PAD_ALWAYS, caps));
    gst_caps_unref(caps);
  }
  gst_type_mark_as_plugin_api(gst_dig_test_src_pattern_get_type(), static_cast<GstPluginAPIFlags>(0));
}

static void gst_dig_test_src_init(GstDigTestSrc* self) {
  self->state = new SourceState;
  for (const View view : {View::visible, View::infrared}) {
    SourceState::Stream& stream = self->state->streams[view == View::visible ? 0 : 1];
    stream.view = gst_dig_test_view_new(view);
    gst_bin_add(GST_BIN(self), stream.view);
    const char* name = GST_OBJECT_NAME(stream.view);
    GstPad* source = gst_element_get_static_pad(stream.view, "src");
    stream.pad = gst_ghost_pad_new_from_template(
        name, source, gst_element_class_get_pad_template(GST_ELEMENT_GET_CLASS(self), name));
    gst_object_unref(source);
    gst_element_add_pad(GST_ELEMENT(self), stream.pad);
    g_signal_connect(stream.pad, "linked", G_CALLBACK(on_linked), self);
  }
  set_scene(self->state, scene::default_pattern, default_seed);
}
