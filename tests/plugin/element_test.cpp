// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Properties, states, the core's loading and its failures.
#include <gst/controller/gstdirectcontrolbinding.h>
#include <gst/controller/gstinterpolationcontrolsource.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/plugin/rig.h"

namespace digfusion::test {
namespace {

const std::string grey = caps_text("GRAY8", 32, 32);

std::string property_text(GstElement* element, const char* name) {
  GParamSpec* pspec = g_object_class_find_property(G_OBJECT_GET_CLASS(element), name);
  if (!pspec) return "no such property";
  GValue value = G_VALUE_INIT;
  g_value_init(&value, pspec->value_type);
  g_object_get_property(G_OBJECT(element), name, &value);
  std::string text;
  if (G_VALUE_HOLDS_STRING(&value)) {
    text = g_value_get_string(&value);
  } else if (G_VALUE_HOLDS_ENUM(&value)) {
    auto* values = static_cast<GEnumClass*>(g_type_class_ref(pspec->value_type));
    text = g_enum_get_value(values, g_value_get_enum(&value))->value_nick;
    g_type_class_unref(values);
  } else {
    const ParameterSpec* spec = find_parameter(name);
    text = G_VALUE_HOLDS_DOUBLE(&value)  ? to_text(*spec, Value(g_value_get_double(&value)))
           : G_VALUE_HOLDS_INT64(&value) ? std::to_string(g_value_get_int64(&value))
                                         : std::to_string(g_value_get_int(&value));
  }
  g_value_unset(&value);
  return text;
}

/// Allowed values of a row that differ from its default.
std::vector<std::string> other_values(const ParameterSpec& spec) {
  if (spec.is_choice()) {
    std::vector<std::string> nicks;
    for (const Choice& choice : spec.choices) nicks.emplace_back(choice.nick);
    return nicks;
  }
  if (std::string_view(spec.name) == "levels") return {"900,30,1"};
  if (std::string_view(spec.name) == "noise") return {"0", "20,10+4"};
  if (std::string_view(spec.name) == "thermal-range") return {"29000..31000", "10C..40C"};
  if (std::string_view(spec.name) == "highlight-above") return {"30000", "37C"};
  if (std::string_view(spec.name) == "radiometry") return {"0.04,-273.15"};
  if (spec.is_text()) return {"some text", ""};
  if (spec.is_integer())
    return {std::to_string(static_cast<gint64>(spec.minimum)),
            std::to_string(static_cast<gint64>(spec.maximum))};
  return {to_text(spec, Value(spec.minimum)), to_text(spec, Value(spec.maximum))};
}

TEST(Properties, EveryRowOfTheTableHasOneWithItsDefaultTextAndFlags) {
  const Element e;
  for (const ParameterSpec& spec : parameter_table()) {
    SCOPED_TRACE(spec.name);
    GParamSpec* pspec = g_object_class_find_property(G_OBJECT_GET_CLASS(e.element), spec.name);
    ASSERT_TRUE(pspec);
    EXPECT_STREQ(g_param_spec_get_nick(pspec), spec.nick);
    EXPECT_STREQ(g_param_spec_get_blurb(pspec), spec.blurb);
    EXPECT_EQ(property_text(e.element, spec.name), to_text(spec, spec.default_value()));
    const bool playing = spec.mutability == Mutability::playing;
    EXPECT_EQ((pspec->flags & GST_PARAM_MUTABLE_PLAYING) != 0, playing);
    EXPECT_EQ((pspec->flags & GST_PARAM_MUTABLE_READY) != 0, !playing);
    EXPECT_EQ((pspec->flags & GST_PARAM_CONTROLLABLE) != 0, playing && !spec.is_text());
  }
}

TEST(Properties, EveryRowOfTheTableTakesItsValues) {
  for (const ParameterSpec& spec : parameter_table())
    for (const std::string& value : other_values(spec)) {
      const Element e;
      gst_util_set_object_arg(G_OBJECT(e.element), spec.name, value.c_str());
      EXPECT_EQ(property_text(e.element, spec.name), value) << spec.name;
    }
}

TEST(Properties, EnumerationsAreRegisteredAsPluginApi) {
  const Element e;
  for (const char* name : {"method", "eos-policy", "infrared-fit"}) {
    const GType type = g_object_class_find_property(G_OBJECT_GET_CLASS(e.element), name)->value_type;
    EXPECT_TRUE(gst_type_is_plugin_api(type, nullptr)) << name;
  }
}

TEST(Properties, APresetSetsSeveralAndNotifiesThem) {
  const Element e;
  std::vector<std::string> notified;
  g_signal_connect(e.element, "notify",
                   G_CALLBACK(+[](GObject*, GParamSpec* pspec, std::vector<std::string>* names) {
                     names->push_back(pspec->name);
                   }),
                   &notified);
  gst_util_set_object_arg(G_OBJECT(e.element), "preset", "paper");
  EXPECT_EQ(property_text(e.element, "method"), "guided");
  EXPECT_EQ(property_text(e.element, "temperature"), "1");
  for (const char* name : {"preset", "method", "temperature"})
    EXPECT_EQ(std::count(notified.begin(), notified.end(), name), 1) << name;
  EXPECT_EQ(std::count(notified.begin(), notified.end(), "seed"), 0);
}

TEST(Properties, TextThatIsNotAllowedIsAWarningAndChangesNothing) {
  Rig rig;
  g_object_set(rig.element, "levels", "15,60", nullptr);
  EXPECT_EQ(property_text(rig.element, "levels"), "500,200,60,15");
  GstMessage* message = rig.wait_message(GST_MESSAGE_WARNING);
  ASSERT_TRUE(message);
  EXPECT_NE(text_of(message).find("levels"), std::string::npos);
  gst_message_unref(message);
}

TEST(Properties, ChangesWhilePlayingReachTheCoreWithTheNextPicture) {
  Rig rig("sharpness=2");
  rig.set_caps(grey, grey);
  rig.push_visible({1, 0, 40 * ms});
  rig.push_infrared({2, 0, 40 * ms});
  rig.pull();
  EXPECT_EQ(fake_core_log().sharpness, 2);
  const int configures = fake_core_log().configures;
  g_object_set(rig.element, "sharpness", 8., nullptr);
  g_object_set(rig.element, "sharpness", 8., nullptr);
  rig.push_visible({1, 40 * ms, 40 * ms});
  rig.push_infrared({2, 40 * ms, 40 * ms});
  rig.pull();
  EXPECT_EQ(fake_core_log().sharpness, 8);
  EXPECT_EQ(fake_core_log().configures, configures + 1);
}

TEST(Properties, ControlledValuesFollowStreamTime) {
  Rig rig;
  GstControlSource* source = gst_interpolation_control_source_new();
  g_object_set(source, "mode", GST_INTERPOLATION_MODE_LINEAR, nullptr);
  gst_object_add_control_binding(GST_OBJECT(rig.element), gst_direct_control_binding_new_absolute(
                                                              GST_OBJECT(rig.element), "sharpness", source));
  gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(source), 0, 2);
  gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(source), GST_SECOND, 10);
  gst_object_unref(source);
  rig.set_caps(grey, grey);
  for (const GstClockTime time : {0 * ms, 500 * ms, 1000 * ms}) {
    rig.push_visible({1, time, 500 * ms});
    rig.push_infrared({2, time, 500 * ms});
    rig.pull();
    EXPECT_DOUBLE_EQ(fake_core_log().sharpness, 2 + 8. * time / GST_SECOND);
  }
}

TEST(Properties, ReadAndWrittenFromOtherThreadsWhileFusing) {
  std::atomic<bool> done = false;
  Rig rig;
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      for (int i = 0; !done; ++i) {
        g_object_set(rig.element, "sharpness", 1. + i % 10, "preset", i % 2, nullptr);
        GstStructure* stats = nullptr;
        g_object_get(rig.element, "stats", &stats, nullptr);
        gst_structure_free(stats);
      }
    });
  rig.set_caps(grey, grey);
  for (int i = 0; i < 200; ++i) {
    rig.push_visible({i, i * 40 * ms, 40 * ms});
    rig.push_infrared({i, i * 40 * ms, 40 * ms});
    EXPECT_EQ(rig.pull().visible, i);
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(fake_core_log().overlaps, 0);
}

TEST(Stats, TellWhatTheElementAndTheCoreCounted) {
  const Result result = fuse_streams({pictures(10, 25), grey}, {pictures(10, 25), grey});
  const GstStructure* stats = result.stats.get();
  ASSERT_TRUE(stats);
  guint64 frames = 0;
  double mean = 0, p95 = 0;
  EXPECT_TRUE(gst_structure_get_uint64(stats, "frames", &frames));
  EXPECT_EQ(frames, 10u);
  EXPECT_TRUE(gst_structure_get_double(stats, "total-mean-ms", &mean));
  EXPECT_TRUE(gst_structure_get_double(stats, "total-p95-ms", &p95));
  EXPECT_EQ(mean, 1.5);
  EXPECT_EQ(p95, 2.5);
  EXPECT_STREQ(gst_structure_get_string(stats, "device"), "fake");
  for (const char* field : {"dropped", "passed-through", "failures", "evaluations", "precision", "model"})
    EXPECT_TRUE(gst_structure_has_field(stats, field)) << field;
}

TEST(States, FiftyCyclesLeaveNoFuserBehind) {
  {
    Rig rig;
    for (int i = 0; i < 50; ++i) {
      ASSERT_NE(gst_element_set_state(rig.element, GST_STATE_NULL), GST_STATE_CHANGE_FAILURE);
      ASSERT_EQ(fake_core_log().alive, 0);
      ASSERT_NE(gst_element_set_state(rig.element, GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
    }
  }
  EXPECT_EQ(fake_core_log().alive, 0);
  EXPECT_EQ(fake_core_log().overlaps, 0);
}

TEST(States, FiftyCyclesWithPictures) {
  for (int i = 0; i < 50; ++i) {
    const Pipeline p(
        "videotestsrc ! video/x-raw,width=32,height=32 ! digfusion name=f ! fakesink "
        "videotestsrc ! video/x-raw,width=32,height=32 ! f.infrared");
    gst_element_set_state(p.pipeline, GST_STATE_PLAYING);
    if (i % 2) gst_element_get_state(p.pipeline, nullptr, nullptr, 5 * GST_SECOND);
    if (i % 3 == 0) gst_element_set_state(p.pipeline, GST_STATE_READY);
    if (i % 5 == 0) gst_element_set_state(p.pipeline, GST_STATE_PAUSED);
  }
  EXPECT_EQ(fake_core_log().alive, 0);
}

TEST(States, StoppingWhileTheCoreLoadsWaitsForItAndEnds) {
  const Environment slow("DIGFUSION_FAKE_LOAD_MS", "300");
  {
    Rig rig;
    rig.set_caps(grey, grey);
    rig.push_visible({1, 0, 40 * ms});
    rig.push_infrared({1, 0, 40 * ms});
    gst_element_set_state(rig.element, GST_STATE_NULL);
  }
  EXPECT_EQ(fake_core_log().alive, 0);
}

TEST(Core, IsWarmedUpAtTheVisibleSizeBeforeTheFirstPicture) {
  const int warm_ups = fake_core_log().warm_ups;
  Rig rig;
  rig.set_caps(caps_text("GRAY8", 48, 20), grey);
  rig.push_visible({1, 0, 40 * ms});
  rig.push_infrared({1, 0, 40 * ms});
  rig.pull();
  EXPECT_EQ(fake_core_log().warm_ups, warm_ups + 1);
  EXPECT_EQ(fake_core_log().warm_width, 48);
  EXPECT_EQ(fake_core_log().warm_height, 20);
}

/// The error of going to READY.
std::string error_at_ready(GQuark& domain) {
  const Element e;
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(e.element, bus);
  EXPECT_EQ(gst_element_set_state(e.element, GST_STATE_READY), GST_STATE_CHANGE_FAILURE);
  GstMessage* message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
  std::string text;
  if (message) {
    GError* error = nullptr;
    gst_message_parse_error(message, &error, nullptr);
    domain = error->domain;
    text = error->message;
    g_error_free(error);
    gst_message_unref(message);
  }
  gst_element_set_state(e.element, GST_STATE_NULL);
  gst_element_set_bus(e.element, nullptr);
  gst_object_unref(bus);
  return text;
}

TEST(Core, MissingIsAnErrorThatSaysWhatToInstall) {
  const Environment missing("DIGFUSION_CORE", "/nonexistent/libdigfusion.so.0");
  GQuark domain = 0;
  const std::string text = error_at_ready(domain);
  EXPECT_EQ(domain, GST_LIBRARY_ERROR);
  EXPECT_NE(text.find("/nonexistent/libdigfusion.so.0"), std::string::npos) << text;
  EXPECT_NE(text.find("LibTorch"), std::string::npos) << text;
}

TEST(Core, AnotherLibraryIsAnError) {
  const Environment other("DIGFUSION_CORE", "libglib-2.0.so.0");
  GQuark domain = 0;
  const std::string text = error_at_ready(domain);
  EXPECT_NE(text.find("no digfusion core"), std::string::npos) << text;
}

TEST(Core, OfAnotherInterfaceVersionIsAnError) {
  const Environment other("DIGFUSION_FAKE_ABI", "77");
  GQuark domain = 0;
  const std::string text = error_at_ready(domain);
  EXPECT_NE(text.find("version 77"), std::string::npos) << text;
}

TEST(Core, ThatCannotLoadIsAnErrorWithItsMessage) {
  const Environment failing("DIGFUSION_FAKE_LOAD_ERROR", "model.safetensors: header too short");
  const Result result = fuse_streams({pictures(3, 25), grey}, {pictures(3, 25), grey});
  EXPECT_TRUE(result.frames.empty());
  EXPECT_NE(result.error.find("model.safetensors: header too short"), std::string::npos) << result.error;
}

TEST(Core, FailuresPassTheVisiblePictureThroughWithOneWarning) {
  const Environment failing("DIGFUSION_FAKE_FAIL", "5");
  const Result result = fuse_streams({pictures(10, 25), grey}, {pictures(10, 25, 0, 100), grey});
  EXPECT_EQ(result.error, "");
  ASSERT_EQ(result.frames.size(), 10u);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(result.frames[i].visible, i);
    EXPECT_EQ(result.frames[i].infrared, i < 5 ? i : 100 + i);
  }
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_NE(result.warnings[0].find("told to fail"), std::string::npos);
}

TEST(Core, TooManyFailuresInARowAreAnError) {
  const Environment failing("DIGFUSION_FAKE_FAIL", "-1");
  const Result result = fuse_streams({pictures(10, 25), grey}, {pictures(10, 25), grey}, "max-failures=4");
  EXPECT_EQ(result.frames.size(), 3u);
  EXPECT_NE(result.error.find("4 pictures in a row"), std::string::npos) << result.error;
  EXPECT_NE(result.error.find("told to fail"), std::string::npos) << result.error;
}

TEST(Core, FailuresNeverEndTheStreamWithMaxFailuresZero) {
  const Environment failing("DIGFUSION_FAKE_FAIL", "-1");
  const Result result = fuse_streams({pictures(40, 25), grey}, {pictures(40, 25), grey}, "max-failures=0");
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.frames.size(), 40u);
}

}  // namespace
}  // namespace digfusion::test
