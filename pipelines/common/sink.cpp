// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/sink.h"

#include <cstdlib>
#include <memory>
#include <string_view>

#include "pipelines/common/failure.h"
#include "pipelines/common/frame.h"

namespace digfusion::pipelines {
namespace {

/// Sinks that open a window, the best first. autovideosink would also try those that write to a console or a
/// frame buffer, some of which crash where there is none.
constexpr const char* window_sinks[] = {"glimagesink", "xvimagesink", "ximagesink", "waylandsink"};

/// Pictures are shown when they come, not when their time is.
void show_at_once(GstElement* bin) {
  GstIterator* elements = gst_bin_iterate_recurse(GST_BIN(bin));
  while (gst_iterator_foreach(
             elements,
             [](const GValue* item, gpointer) {
               auto* element = GST_ELEMENT(g_value_get_object(item));
               if (GST_OBJECT_FLAG_IS_SET(element, GST_ELEMENT_FLAG_SINK) &&
                   g_object_class_find_property(G_OBJECT_GET_CLASS(element), "sync"))
                 g_object_set(element, "sync", FALSE, nullptr);
             },
             nullptr) == GST_ITERATOR_RESYNC)
    gst_iterator_resync(elements);
  gst_iterator_free(elements);
}

}  // namespace

std::string choose_window_sink() {
  static constexpr const char* remedy =
      ": set DISPLAY or WAYLAND_DISPLAY, or do without a window: --sink fakesink";
  const auto is_set = [](const char* variable) {
    const char* value = std::getenv(variable);
    return value && *value;
  };
  std::string screens;
  for (const char* variable : {"DISPLAY", "WAYLAND_DISPLAY"})
    if (is_set(variable))
      screens += (screens.empty() ? "" : ", ") + std::string(variable) + "=" + std::getenv(variable);
  if (screens.empty()) throw Failure(std::string("there is no screen for a window") + remedy);
  bool is_one_installed = false;
  for (const char* factory : window_sinks) {
    if (!has_element(factory)) continue;
    if (std::string_view(factory).starts_with("wayland") && !is_set("WAYLAND_DISPLAY")) continue;
    is_one_installed = true;
    const ObjectPtr<GstElement> sink(GST_ELEMENT(gst_object_ref_sink(make_element(factory))));
    const bool works = gst_element_set_state(sink.get(), GST_STATE_READY) != GST_STATE_CHANGE_FAILURE;
    gst_element_set_state(sink.get(), GST_STATE_NULL);
    if (works) return factory;
  }
  if (!is_one_installed) make_element("ximagesink");  // says what to install
  throw Failure("no window can be opened on the screen (" + screens + ")" + remedy);
}

GstElement* make_sink(const std::string& description) {
  GError* error = nullptr;
  GstParseContext* context = gst_parse_context_new();
  GstElement* sink = gst_parse_bin_from_description_full(description.c_str(), TRUE, context,
                                                         GST_PARSE_FLAG_FATAL_ERRORS, &error);
  std::string why;
  if (!sink) why = std::string("--sink ") + description + ": " + (error ? error->message : "it has no sink");
  if (gchar** missing = gst_parse_context_get_missing_elements(context)) {
    if (const auto package = package_of(missing[0]); !package.empty())
      why += ": apt-get install " + std::string(package);
    g_strfreev(missing);
  }
  g_clear_error(&error);
  gst_parse_context_free(context);
  if (!sink) throw UsageFailure(why);
  if (!ObjectPtr<GstPad>(gst_element_get_static_pad(sink, "sink"))) {
    gst_object_unref(gst_object_ref_sink(sink));
    throw UsageFailure("--sink " + description + ": it takes no pictures");
  }
  show_at_once(sink);
  return sink;
}

GstElement* make_title_element(const std::string& title) {
  GstElement* element = make_element("taginject");
  GValue value = G_VALUE_INIT;
  g_value_init(&value, G_TYPE_STRING);
  g_value_set_string(&value, title.c_str());
  const std::unique_ptr<gchar, decltype(&g_free)> text(gst_value_serialize(&value), g_free);
  g_object_set(element, "tags", (GST_TAG_TITLE "=(string)" + std::string(text.get())).c_str(), nullptr);
  g_value_unset(&value);
  return element;
}

}  // namespace digfusion::pipelines
