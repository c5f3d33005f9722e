// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/parameters/parameters.h"

#include <gtest/gtest.h>

#include <clocale>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

namespace digfusion {
namespace {

const ParameterSpec& spec_of(const char* name) {
  const ParameterSpec* spec = find_parameter(name);
  EXPECT_NE(spec, nullptr) << name;
  return *spec;
}

/// Values that a parameter takes: its limits, its default, every choice, some texts.
std::vector<Value> some_values(const ParameterSpec& spec) {
  std::vector<Value> values = {spec.default_value()};
  if (spec.is_choice())
    for (const Choice& c : spec.choices) values.emplace_back(std::int64_t{c.value});
  else if (spec.is_integer())
    for (const double limit : {spec.minimum, spec.maximum})
      values.emplace_back(static_cast<std::int64_t>(limit));
  else if (spec.is_real())
    for (const double limit : {spec.minimum, spec.maximum, (spec.minimum + spec.maximum) / 3})
      values.emplace_back(limit);
  else if (std::string_view(spec.name) == "levels")
    values.emplace_back("999,1");
  else if (std::string_view(spec.name) == "noise")
    values.emplace_back("20,10.5+4");
  else if (std::string_view(spec.name) == "thermal-range")
    values.emplace_back("10C..40C");
  else if (std::string_view(spec.name) == "radiometry")
    values.emplace_back("0.04,-273.15");
  else if (std::string_view(spec.name) == "highlight-above")
    values.emplace_back("37C");
  else
    values.emplace_back("some text/π");
  return values;
}

TEST(Parameters, EachHasItsDocumentationAndADefaultWithinItsRange) {
  std::set<std::string> names;
  for (const ParameterSpec& spec : parameter_table()) {
    SCOPED_TRACE(spec.name);
    EXPECT_TRUE(names.insert(spec.name).second);
    EXPECT_EQ(find_parameter(spec.name), &spec);
    EXPECT_EQ(std::string(spec.name).find_first_not_of("abcdefghijklmnopqrstuvwxyz-"), std::string::npos);
    EXPECT_GT(std::string(spec.nick).size(), 2u);
    EXPECT_GT(std::string(spec.blurb).size(), 15u);
    EXPECT_EQ(spec.is_choice() + spec.is_integer() + spec.is_real() + spec.is_text(), 1);
    Parameters p;
    EXPECT_EQ(set(p, spec, spec.default_value()), std::nullopt);
    EXPECT_EQ(p, Parameters{});
    if (spec.is_integer() || spec.is_real()) {
      EXPECT_LT(spec.minimum, spec.maximum);
    }
    std::set<std::string> nicks;
    std::set<int> values;
    for (const Choice& c : spec.choices) {
      EXPECT_TRUE(nicks.insert(c.nick).second && values.insert(c.value).second) << c.nick;
      EXPECT_EQ(std::string(c.nick).find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"),
                std::string::npos)
          << c.nick;
      EXPECT_GT(std::string(c.blurb).size(), 5u) << c.nick;
    }
  }
  EXPECT_STREQ(parameter_table().front().name, "preset");
  EXPECT_EQ(find_parameter("nothing"), nullptr);
  EXPECT_EQ(check(Parameters{}), std::nullopt);
}

TEST(Parameters, EachGoesThroughTextAndBack) {
  for (const ParameterSpec& spec : parameter_table())
    for (const Value& value : some_values(spec)) {
      const std::string text = to_text(spec, value);
      SCOPED_TRACE(std::string(spec.name) + "=" + text);
      Parameters p;
      ASSERT_EQ(set(p, spec.name, text), std::nullopt);
      EXPECT_EQ(spec.get(p), value);
      EXPECT_EQ(check(p), std::nullopt);
    }
}

TEST(Parameters, EachChangesNothingElse) {
  for (const ParameterSpec& spec : parameter_table()) {
    if (std::string_view(spec.name) == "preset") continue;
    Parameters p;
    for (const Value& value : some_values(spec)) ASSERT_EQ(set(p, spec, value), std::nullopt);
    for (const ParameterSpec& other : parameter_table())
      if (&other != &spec) {
        EXPECT_EQ(other.get(p), other.default_value()) << spec.name << " changed " << other.name;
      }
  }
}

TEST(Parameters, RefuseWhatLiesBeyondTheirRange) {
  for (const ParameterSpec& spec : parameter_table()) {
    SCOPED_TRACE(spec.name);
    std::vector<Value> bad;
    if (spec.is_choice()) {
      bad = {std::int64_t{-1}, std::int64_t{1000}, std::string("text"), 0.5};
    } else if (spec.is_integer()) {
      bad = {static_cast<std::int64_t>(spec.minimum) - 1,
             static_cast<std::int64_t>(spec.maximum) + 1,
             std::numeric_limits<std::int64_t>::min(),
             std::numeric_limits<std::int64_t>::max(),
             1.0,
             std::string("1")};
    } else if (spec.is_real()) {
      bad = {std::nextafter(spec.minimum, -HUGE_VAL),
             std::nextafter(spec.maximum, HUGE_VAL),
             HUGE_VAL,
             -HUGE_VAL,
             std::nan(""),
             std::int64_t{1}};
    } else {
      bad = {std::string(5000, 'x'), std::string("a\0b", 3), std::int64_t{1}};
    }
    for (const Value& value : bad) {
      Parameters p;
      const auto message = set(p, spec, value);
      ASSERT_TRUE(message) << to_text(spec, value) << " was taken";
      EXPECT_NE(message->find(std::string("parameter ") + spec.name + ": "), std::string::npos) << *message;
      EXPECT_EQ(p, Parameters{});
    }
  }
}

TEST(Parameters, SayWhatIsAllowed) {
  Parameters p;
  EXPECT_EQ(set(p, "steps", "0"),
            "parameter steps: \"0\" is not allowed; give a whole number from 1 to 1000");
  EXPECT_EQ(set(p, "steps", "many"),
            "parameter steps: \"many\" is not allowed; give a whole number from 1 to 1000");
  EXPECT_EQ(set(p, "eta", "1.5"), "parameter eta: \"1.5\" is not allowed; give a number from 0 to 1");
  EXPECT_EQ(set(p, "sampler", "euler"),
            "parameter sampler: \"euler\" is not allowed; give one of ddpm, ddim");
  EXPECT_EQ(set(p, "teapot", "1"), "there is no parameter \"teapot\"");
  for (const char* text :
       {"", " ", "1 ", " 1", "+1", "0x10", "1e1", "1.0", "99999999999999999999", "-", "1,0"})
    EXPECT_NE(set(p, "steps", text), std::nullopt) << text;
  for (const char* text : {"", " ", "0.5 ", "+0.5", "0,5", "nan", "inf", "-inf", "1e999", "0.5x"})
    EXPECT_NE(set(p, "eta", text), std::nullopt) << text;
  for (const char* text : {"", "DDIM", "ddim ", "1"})
    EXPECT_NE(set(p, "sampler", text), std::nullopt) << text;
  EXPECT_EQ(p, Parameters{});
}

TEST(Parameters, NumbersDontDependOnTheLocale) {
  const std::string before = std::setlocale(LC_ALL, nullptr);
  // Whichever of them is installed writes 0,25.
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "C.UTF-8"}) {
    std::setlocale(LC_ALL, name);
    Parameters p;
    EXPECT_EQ(set(p, "eta", "0.25"), std::nullopt) << name;
    EXPECT_EQ(p.eta, 0.25);
    EXPECT_EQ(to_text(spec_of("eta"), 0.25), "0.25") << name;
    EXPECT_EQ(to_text(spec_of("seed"), std::int64_t{1234567}), "1234567") << name;
  }
  std::setlocale(LC_ALL, before.c_str());
}

TEST(Parameters, TextHasItsCapacity) {
  Word word("old");
  EXPECT_FALSE(word.assign(std::string(64, 'x')));
  EXPECT_EQ(word.view(), "old");
  EXPECT_TRUE(word.assign(std::string(63, 'x')));
  EXPECT_EQ(word.view(), std::string(63, 'x'));
  EXPECT_TRUE(word.assign("short"));
  EXPECT_EQ(word, Word("short"));  // nothing of the longer one is left
  EXPECT_TRUE(word.assign(""));
  EXPECT_TRUE(word.empty());
}

TEST(Parameters, PresetPaperIsThePapersSampling) {
  Parameters p;
  ASSERT_EQ(set(p, "preset", "paper"), std::nullopt);
  EXPECT_EQ(p.preset, Preset::paper);
  EXPECT_EQ(p.method, Method::guided);
  EXPECT_EQ(p.sampler, Sampler::ddpm);
  EXPECT_EQ(p.steps, 25);
  EXPECT_EQ(p.spacing, Spacing::quadratic);
  EXPECT_EQ(p.interval, 10);
  EXPECT_EQ(p.temperature, 1);
  EXPECT_EQ(p.distance, Distance::l2);
  EXPECT_EQ(p.draws, 1);
  EXPECT_EQ(check(p), std::nullopt);
}

TEST(Parameters, PresetsUndoEachOtherAndKeepTheRest) {
  Parameters p;
  ASSERT_EQ(set(p, "device", "cpu"), std::nullopt);
  ASSERT_EQ(set(p, "seed", "7"), std::nullopt);
  ASSERT_EQ(set(p, "sharpness", "2"), std::nullopt);  // no preset names it
  Parameters expected = p;
  ASSERT_EQ(set(p, "steps", "99"), std::nullopt);
  ASSERT_EQ(set(p, "preset", "paper"), std::nullopt);
  EXPECT_EQ(p.steps, 25);
  EXPECT_EQ(p.seed, 7);
  EXPECT_EQ(p.device.view(), "cpu");
  ASSERT_EQ(set(p, "temperature", "0.5"), std::nullopt);  // given after it, overrides it
  EXPECT_EQ(p.temperature, 0.5);
  EXPECT_EQ(p.preset, Preset::paper);
  ASSERT_EQ(set(p, "preset", "realtime"), std::nullopt);
  EXPECT_EQ(p, expected);
}

TEST(Parameters, TasksAreTheDefaultsWithWhatTheyNeed) {
  std::set<std::string> names;
  std::set<Task> values;
  for (const TaskSpec& task : task_table()) {
    EXPECT_TRUE(names.insert(task.name).second && values.insert(task.task).second) << task.name;
    EXPECT_GT(std::string(task.blurb).size(), 15u);
    EXPECT_EQ(check(parameters_of(task.task)), std::nullopt) << task.name;
  }
  EXPECT_EQ(names, (std::set<std::string>{"visible-infrared", "focus", "exposure", "medical"}));
  EXPECT_EQ(parameters_of(Task::visible_infrared), Parameters{});
  const Parameters focus = parameters_of(Task::focus), exposure = parameters_of(Task::exposure);
  EXPECT_EQ(focus.band_weights, BandWeights::joint);
  EXPECT_EQ(focus.sharpness, 16);
  EXPECT_EQ(exposure.base, Base::average);
  EXPECT_GT(exposure.contrast, 1);
}

TEST(Parameters, APresetComesOverATask) {
  Parameters p = parameters_of(Task::focus);
  ASSERT_EQ(set(p, "preset", "paper"), std::nullopt);
  EXPECT_EQ(p.smoothing, 0);                      // the preset's
  EXPECT_EQ(p.band_weights, BandWeights::joint);  // the task's: no preset names it
}

TEST(Parameters, CheckFindsWhatCameAsBytes) {
  const auto message = [](void (*change)(Parameters&)) {
    Parameters p;
    change(p);
    return check(p).value_or("");
  };
  EXPECT_EQ(message([](Parameters& p) { p.interval = 0; }),
            "parameter interval: \"0\" is not allowed; give a whole number from 1 to 1000");
  EXPECT_NE(message([](Parameters& p) { p.method = Method(17); }).find("parameter method: \"17\""),
            std::string::npos);
  EXPECT_NE(message([](Parameters& p) { p.sharpness = NAN; }).find("parameter sharpness"), std::string::npos);
  EXPECT_NE(message([](Parameters& p) { p.levels = Word("1,2"); }).find("parameter levels"),
            std::string::npos);
}

TEST(Parameters, LevelsFallStrictly) {
  const auto levels = parse_levels("999,500,1");
  ASSERT_TRUE(std::holds_alternative<Levels>(levels));
  const Levels& parsed = std::get<Levels>(levels);
  ASSERT_EQ(parsed.count, 3);
  EXPECT_EQ(parsed.timestep[0], 999);
  EXPECT_EQ(parsed.timestep[1], 500);
  EXPECT_EQ(parsed.timestep[2], 1);
  std::string sixteen;
  for (int t = 999; t > 983; --t) sixteen += (t < 999 ? "," : "") + std::to_string(t);
  ASSERT_TRUE(std::holds_alternative<Levels>(parse_levels(sixteen)));
  EXPECT_EQ(std::get<Levels>(parse_levels(sixteen)).count, 16);
  Parameters p;
  EXPECT_EQ(set(p, "levels", sixteen), std::nullopt);  // and they fit
  for (const std::string& text :
       {std::string(), std::string(","), std::string("500,"), std::string(",500"), std::string("500,,200"),
        std::string("200,500"), std::string("200,200"), std::string("1000"), std::string("0"),
        std::string("-5"), std::string("500 ,200"), std::string("500, 200"), std::string("500;200"),
        std::string("5e2"), std::string("x"), std::string("99999999999"), sixteen + ",1"}) {
    const auto refused = parse_levels(text);
    ASSERT_TRUE(std::holds_alternative<std::string>(refused)) << text;
    EXPECT_NE(std::get<std::string>(refused).find("parameter levels: \"" + text + "\""), std::string::npos);
  }
}

TEST(Parameters, NoiseIsEstimatedOrGivenForEachSource) {
  const auto parsed = [](const char* text) { return std::get<NoiseSetting>(parse_noise(text)); };
  EXPECT_TRUE(parsed("auto").of(0).automatic);
  EXPECT_TRUE(parsed("auto").of(5).automatic);
  const NoiseSetting mixed = parsed("20,auto,0.5+8");
  EXPECT_FALSE(mixed.of(0).automatic);
  EXPECT_EQ(mixed.of(0).white, 20);
  EXPECT_EQ(mixed.of(0).column, 0);
  EXPECT_TRUE(mixed.of(1).automatic);
  for (const std::size_t k : {2, 3, 30}) {  // the last counts for all that follow
    EXPECT_EQ(mixed.of(k).white, 0.5);
    EXPECT_EQ(mixed.of(k).column, 8);
  }
  for (const std::string text : {"", ",", "auto,", "automatic", "-1", "128", "20+", "+4", "20+-4", "20 ,10",
                                 "x", "nan", "1,2,3,4,5,6,7,8,9", "20+4+4"}) {
    const auto refused = parse_noise(text);
    ASSERT_TRUE(std::holds_alternative<std::string>(refused)) << text;
    EXPECT_NE(std::get<std::string>(refused).find("parameter noise: \"" + text + "\""), std::string::npos);
  }
  Parameters p;
  p.noise = Word("loud");
  EXPECT_NE(check(p).value_or("").find("parameter noise"), std::string::npos);
}

TEST(Parameters, NamesOfChoicesComeFromTheTable) {
  EXPECT_STREQ(name_of("method", int(Method::bandwise)), "bandwise");
  EXPECT_STREQ(name_of("precision", int(Precision::automatic)), "auto");
  EXPECT_STREQ(name_of("method", 99), "?");
  EXPECT_STREQ(name_of("teapot", 0), "?");
}

}  // namespace
}  // namespace digfusion
