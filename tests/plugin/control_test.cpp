// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What others do to the element from outside: the mouse on its output, controlled properties, its pads as
// children, presets.
#include <gst/controller/gstdirectcontrolbinding.h>
#include <gst/controller/gstinterpolationcontrolsource.h>
#include <gst/video/navigation.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "core/parameters/parameters.h"
#include "tests/plugin/rig.h"

namespace digfusion::test {
namespace {

const std::string grey = caps_text("GRAY8", 32, 32);

void fuse_one(Rig& rig, GstClockTime time) {
  rig.push_visible({1, time, 40 * ms});
  rig.push_infrared({2, time, 40 * ms});
  GstBuffer* buffer = gst_harness_pull(rig.visible);
  ASSERT_TRUE(buffer);
  gst_buffer_unref(buffer);
}

// ---- navigation

/// The navigation events that have come upstream, as "x,y" with whole pixels, or "key".
std::string navigation_at(GstHarness* harness) {
  std::string text;
  while (GstEvent* event = gst_harness_try_pull_upstream_event(harness)) {
    gdouble x = 0, y = 0;
    if (GST_EVENT_TYPE(event) != GST_EVENT_NAVIGATION) {
      gst_event_unref(event);
      continue;
    }
    if (!text.empty()) text += " ";
    // The former alone doesn't know of scrolling.
    if (gst_navigation_event_get_coordinates(event, &x, &y) ||
        (gst_navigation_event_get_type(event) == GST_NAVIGATION_EVENT_MOUSE_SCROLL &&
         gst_navigation_event_parse_mouse_scroll_event(event, &x, &y, nullptr, nullptr)))
      text += std::to_string(std::lround(x)) + "," + std::to_string(std::lround(y));
    else
      text += "key";
    gst_event_unref(event);
  }
  return text;
}

/// What both streams are told of a press at a place on the output: visible 160×80, infrared 40×40.
std::string press(const std::string& properties, double x, double y) {
  Rig rig(properties);
  rig.set_caps(caps_text("GRAY8", 160, 80), caps_text("GRAY8", 40, 40));
  fuse_one(rig, 0);
  gst_harness_push_upstream_event(
      rig.visible, gst_navigation_event_new_mouse_button_press(1, x, y, GST_NAVIGATION_MODIFIER_NONE));
  const std::string visible = navigation_at(rig.visible), infrared = navigation_at(rig.infrared);
  return visible + " | " + infrared;
}

TEST(Navigation, GoesToBothStreamsInTheirOwnPixels) {
  EXPECT_EQ(press("", 100, 20), "100,20 | 30,10");  // infrared lies in the middle, twice as large
  EXPECT_EQ(press("infrared-fit=stretch", 100, 20), "100,20 | 25,10");
  EXPECT_EQ(press("registration=2,0,10.5,0,2,0.5", 50, 20), "50,20 | 20,10");
  EXPECT_EQ(press("crop-left=20 crop-top=20", 80, 40), "80,40 | 30,30");
}

TEST(Navigation, BesideTheInfraredPictureIsNotToldToItsStream) { EXPECT_EQ(press("", 10, 20), "10,20 | "); }

TEST(Navigation, OfKeysGoesToBothAsItIs) {
  Rig rig;
  rig.set_caps(grey, grey);
  fuse_one(rig, 0);
  gst_harness_push_upstream_event(rig.visible,
                                  gst_navigation_event_new_key_press("a", GST_NAVIGATION_MODIFIER_NONE));
  EXPECT_EQ(navigation_at(rig.visible), "key");
  EXPECT_EQ(navigation_at(rig.infrared), "key");
}

TEST(Navigation, BeforeTheFirstPictureGoesToTheVisibleStream) {
  Rig rig;
  gst_harness_push_upstream_event(rig.visible,
                                  gst_navigation_event_new_mouse_move(5, 6, GST_NAVIGATION_MODIFIER_NONE));
  EXPECT_EQ(navigation_at(rig.visible), "5,6");
  EXPECT_EQ(navigation_at(rig.infrared), "");
}

TEST(Navigation, EveryKindOfPointerIsMapped) {
  Rig rig("infrared-fit=stretch");
  rig.set_caps(caps_text("GRAY8", 64, 64), grey);
  fuse_one(rig, 0);
  constexpr auto none = GST_NAVIGATION_MODIFIER_NONE;
  for (GstEvent* event : {gst_navigation_event_new_mouse_move(20, 40, none),
                          gst_navigation_event_new_mouse_button_release(1, 20, 40, none),
                          gst_navigation_event_new_mouse_scroll(20, 40, 1, 1, none),
                          gst_navigation_event_new_touch_down(1, 20, 40, 1, none),
                          gst_navigation_event_new_touch_motion(1, 20, 40, 1, none),
                          gst_navigation_event_new_touch_up(1, 20, 40, none)}) {
    const int type = gst_navigation_event_get_type(event);
    gst_harness_push_upstream_event(rig.visible, event);
    EXPECT_EQ(navigation_at(rig.visible), "20,40") << type;
    EXPECT_EQ(navigation_at(rig.infrared), "10,20") << type;
  }
}

TEST(Navigation, OfTwoPicturesBesideEachOtherGoesToThatPlaceOfBoth) {
  EXPECT_EQ(press("mode=side-by-side", 100, 20), "100,20 | 30,10");
  EXPECT_EQ(press("mode=side-by-side", 260, 20), "100,20 | 30,10");
}

TEST(Navigation, InTheSmallPictureGoesToWhatItShows) {
  // 53⅓×26⅔ pixels in the upper right corner.
  EXPECT_EQ(press("mode=picture-in-picture", 50, 20), "50,20 | 5,10");
  EXPECT_EQ(press("mode=picture-in-picture", 160 - 80. / 3, 40. / 3), "80,40 | 20,20");
  EXPECT_EQ(press("mode=picture-in-picture", 130, 60), "130,60 | ");
}

// ---- controlled properties

GstTimedValueControlSource* control(Rig& rig, const char* property) {
  GstControlSource* source = gst_interpolation_control_source_new();
  g_object_set(source, "mode", GST_INTERPOLATION_MODE_LINEAR, nullptr);
  gst_object_add_control_binding(GST_OBJECT(rig.element), gst_direct_control_binding_new_absolute(
                                                              GST_OBJECT(rig.element), property, source));
  gst_object_unref(source);  // the binding has it
  return GST_TIMED_VALUE_CONTROL_SOURCE(source);
}

TEST(Controller, EveryNumberThatMayChangeFollowsStreamTime) {
  int controlled = 0;
  for (const ParameterSpec& spec : parameter_table()) {
    if (spec.mutability != Mutability::playing || !spec.is_real()) continue;
    SCOPED_TRACE(spec.name);
    Rig rig;
    GstTimedValueControlSource* values = control(rig, spec.name);
    gst_timed_value_control_source_set(values, 0, spec.minimum);
    gst_timed_value_control_source_set(values, GST_SECOND, spec.maximum);
    rig.set_caps(grey, grey);
    for (const GstClockTime time : {0 * ms, 500 * ms, 1000 * ms}) {
      fuse_one(rig, time);
      gdouble value = -1;
      g_object_get(rig.element, spec.name, &value, nullptr);
      EXPECT_NEAR(value, spec.minimum + (spec.maximum - spec.minimum) * double(time) / GST_SECOND, 1e-9);
    }
    ++controlled;
  }
  EXPECT_GE(controlled, 10);
  for (const char* wanted : {"split-position", "gradient-gain", "hot-targets"})
    EXPECT_TRUE(find_parameter(wanted)->is_real()) << wanted;
}

TEST(Controller, CountsInTheStreamTimeOfTheSegment) {
  Rig rig;
  GstTimedValueControlSource* values = control(rig, "split-position");
  gst_timed_value_control_source_set(values, 10 * GST_SECOND, 0);
  gst_timed_value_control_source_set(values, 11 * GST_SECOND, 1);
  rig.set_caps(grey, grey);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.time = 10 * GST_SECOND;  // of a picture at 0
  for (GstHarness* harness : {rig.visible, rig.infrared})
    gst_harness_push_event(harness, gst_event_new_segment(&segment));
  fuse_one(rig, 250 * ms);
  gdouble value = -1;
  g_object_get(rig.element, "split-position", &value, nullptr);
  EXPECT_NEAR(value, .25, 1e-9);
}

TEST(Controller, SwitchesAChoice) {
  Rig rig;
  GstControlSource* source = gst_interpolation_control_source_new();
  auto* values = GST_TIMED_VALUE_CONTROL_SOURCE(source);
  gst_object_add_control_binding(GST_OBJECT(rig.element),
                                 gst_direct_control_binding_new(GST_OBJECT(rig.element), "mode", source));
  gst_object_unref(source);
  // GStreamer spreads an enumeration's values over 0..1.
  gst_timed_value_control_source_set(values, 0, 0);
  gst_timed_value_control_source_set(values, 500 * ms,
                                     (int(View::split) + .5) / int(View::picture_in_picture));
  rig.set_caps(grey, grey);
  for (const GstClockTime time : {0 * ms, 460 * ms, 500 * ms}) {
    fuse_one(rig, time);
    gint value = -1;
    g_object_get(rig.element, "mode", &value, nullptr);
    EXPECT_EQ(value, int(time < 500 * ms ? View::fused : View::split)) << time;
  }
}

// ---- children

TEST(Children, AreTheSinkPads) {
  const Element e;
  auto* proxy = GST_CHILD_PROXY(e.element);
  EXPECT_EQ(gst_child_proxy_get_children_count(proxy), 2u);
  for (const char* name : {"visible", "infrared"}) {
    GObject* child = gst_child_proxy_get_child_by_name(proxy, name);
    ASSERT_TRUE(child) << name;
    EXPECT_TRUE(GST_IS_AGGREGATOR_PAD(child));
    EXPECT_STREQ(GST_OBJECT_NAME(child), name);
    g_object_unref(child);
  }
  EXPECT_FALSE(gst_child_proxy_get_child_by_index(proxy, 2));
}

TEST(Children, TakePropertiesFromALaunchLine) {
  const Rig rig("infrared::emit-signals=true");
  gboolean visible = TRUE, infrared = FALSE;
  gst_child_proxy_get(GST_CHILD_PROXY(rig.element), "visible::emit-signals", &visible,
                      "infrared::emit-signals", &infrared, nullptr);
  EXPECT_FALSE(visible);
  EXPECT_TRUE(infrared);
}

TEST(Children, TellHowTheirStreamsCome) {
  Rig rig;
  rig.set_caps(grey, grey);
  const auto of = [&](const char* property) {
    guint64 value = 0;
    gst_child_proxy_get(GST_CHILD_PROXY(rig.element), property, &value, nullptr);
    return value;
  };
  EXPECT_EQ(of("infrared::age"), GST_CLOCK_TIME_NONE);
  EXPECT_EQ(of("infrared::frames"), 0u);
  for (int n = 0; n < 3; ++n) fuse_one(rig, n * 40 * ms);
  rig.push_visible({1, 120 * ms, 40 * ms});  // waits for its infrared picture
  g_usleep(20000);
  EXPECT_EQ(of("infrared::frames"), 3u);
  EXPECT_EQ(of("visible::frames"), 4u);
  EXPECT_GE(of("infrared::age"), 20 * ms);
  EXPECT_LT(of("infrared::age"), 60 * GST_SECOND);
}

TEST(Children, AnOffsetTakesAConstantDelayAway) {
  Rig rig("visible::offset=300000000");  // infrared pictures are stamped 300 ms late
  rig.set_caps(grey, grey);
  for (int n = 0; n < 5; ++n) {
    rig.push_infrared({100 + n, 300 * ms + n * 40 * ms, 40 * ms});
    rig.push_visible({n, n * 40 * ms, 40 * ms});
    const Fused fused = rig.pull();
    ASSERT_EQ(fused.infrared, 100 + n);
    EXPECT_EQ(fused.pts, n * 40 * ms);
  }
}

TEST(Children, ThePadTypeIsPluginApi) {
  const Element e;
  GstPad* pad = gst_element_get_static_pad(e.element, "infrared");
  EXPECT_TRUE(gst_type_is_plugin_api(G_OBJECT_TYPE(pad), nullptr));
  gst_object_unref(pad);
}

// ---- presets

std::vector<std::string> preset_names(GstElement* element) {
  gchar** names = gst_preset_get_preset_names(GST_PRESET(element));
  std::vector<std::string> result;
  for (gchar** name = names; name && *name; ++name) result.emplace_back(*name);
  g_strfreev(names);
  return result;
}

std::string property_text(GstElement* element, const char* name) {
  GValue value = G_VALUE_INIT;
  g_value_init(&value, g_object_class_find_property(G_OBJECT_GET_CLASS(element), name)->value_type);
  g_object_get_property(G_OBJECT(element), name, &value);
  gchar* text = gst_value_serialize(&value);
  const std::string result = text;
  g_free(text);
  g_value_unset(&value);
  return result;
}

TEST(Presets, OfTheTableAreListedAndLoadedFromTheShippedFile) {
  const Element e;
  const std::vector<std::string> names = preset_names(e.element);
  for (const Choice& preset : find_parameter("preset")->choices) {
    SCOPED_TRACE(preset.nick);
    EXPECT_EQ(std::count(names.begin(), names.end(), preset.nick), 1);
    gchar* comment = nullptr;
    EXPECT_TRUE(gst_preset_get_meta(GST_PRESET(e.element), preset.nick, "comment", &comment));
    EXPECT_STREQ(comment, preset.blurb);
    g_free(comment);
    const Element loaded, set;
    ASSERT_TRUE(gst_preset_load_preset(GST_PRESET(loaded.element), preset.nick));
    gst_util_set_object_arg(G_OBJECT(set.element), "preset", preset.nick);
    for (const ParameterSpec& spec : parameter_table())
      EXPECT_EQ(property_text(loaded.element, spec.name), property_text(set.element, spec.name)) << spec.name;
  }
}

/// A value that isn't the default, as a user would type it.
std::string other_value(GParamSpec* property) {
  const std::string_view name = property->name;
  for (const auto& [text, value] :
       {std::pair("levels", "900,30,1"), std::pair("noise", "20,10+4"),
        std::pair("thermal-range", "10C..40C"), std::pair("radiometry", "0.04,-273.15"),
        std::pair("highlight-above", "37C"), std::pair("preset", "paper")})
    if (name == text) return value;
  if (G_IS_PARAM_SPEC_STRING(property)) return "/a path/with = [signs]; and, \"quotes\".json";
  if (G_IS_PARAM_SPEC_BOOLEAN(property)) return G_PARAM_SPEC_BOOLEAN(property)->default_value ? "0" : "1";
  if (G_IS_PARAM_SPEC_ENUM(property)) {
    const GEnumClass* values = G_PARAM_SPEC_ENUM(property)->enum_class;
    const gint initial = G_PARAM_SPEC_ENUM(property)->default_value;
    return values->values[values->values[0].value == initial ? 1 : 0].value_nick;
  }
  if (G_IS_PARAM_SPEC_DOUBLE(property)) {
    const auto* spec = G_PARAM_SPEC_DOUBLE(property);
    return std::to_string(spec->minimum != spec->default_value ? spec->minimum : spec->maximum);
  }
  return "1";
}

TEST(Presets, SaveAndLoadEveryProperty) {
  const Element saved, loaded;
  std::vector<std::string> names;
  gchar** list = gst_preset_get_property_names(GST_PRESET(saved.element));
  for (gchar** name = list; *name; ++name) names.emplace_back(*name);
  g_strfreev(list);
  for (const ParameterSpec& spec : parameter_table())
    EXPECT_EQ(std::count(names.begin(), names.end(), spec.name), 1) << spec.name;
  for (const char* own : {"infrared-loss-policy", "pts-tolerance", "max-failures", "qos", "latency"})
    EXPECT_EQ(std::count(names.begin(), names.end(), own), 1) << own;
  for (const char* none : {"name", "parent", "stats", "force-live", "visible::name"})
    EXPECT_EQ(std::count(names.begin(), names.end(), none), 0) << none;

  for (const std::string& name : names)
    gst_util_set_object_arg(
        G_OBJECT(saved.element), name.c_str(),
        other_value(g_object_class_find_property(G_OBJECT_GET_CLASS(saved.element), name.c_str())).c_str());
  ASSERT_TRUE(gst_preset_save_preset(GST_PRESET(saved.element), "a test"));
  EXPECT_TRUE(gst_preset_load_preset(GST_PRESET(loaded.element), "a test"));
  for (const std::string& name : names)
    EXPECT_EQ(property_text(loaded.element, name.c_str()), property_text(saved.element, name.c_str()))
        << name;
  // Beside it the shipped ones are still there.
  const std::vector<std::string> all = preset_names(loaded.element);
  EXPECT_EQ(std::count(all.begin(), all.end(), "quality"), 1);
  EXPECT_TRUE(gst_preset_delete_preset(GST_PRESET(saved.element), "a test"));
}

}  // namespace
}  // namespace digfusion::test
