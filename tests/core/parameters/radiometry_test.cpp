// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/parameters/radiometry.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/parameters/parameters.h"

namespace digfusion {
namespace {

Radiometry radiometry(std::string_view text) {
  const auto parsed = parse_radiometry(text);
  if (const auto* message = std::get_if<std::string>(&parsed)) ADD_FAILURE() << *message;
  return std::get<Radiometry>(parsed);
}

TEST(Radiometry, IsKelvinTimesHundredWhereNothingIsSaid) {
  EXPECT_EQ(radiometry(Parameters{}.radiometry.view()), Radiometry{});
  EXPECT_NEAR(Radiometry{}.celsius(27315), 0, 1e-9);
  EXPECT_NEAR(Radiometry{}.celsius(31015), 37, 1e-9);
}

TEST(Radiometry, IsLinearByTwoNumbers) {
  EXPECT_NEAR(radiometry("0.04,-273.15").celsius(7500), 26.85, 1e-9);
  EXPECT_NEAR(radiometry("-1e-2,80").celsius(1000), 70, 1e-9);
}

TEST(Radiometry, IsPlancksByFiveNumbers) {
  const Radiometry camera = radiometry("15396.0087890625,0.0113525576889515,1406.19995117188,1,-6395");
  for (const int raw : {15665, 17000, 18526}) {
    const double kelvin =
        1406.19995117188 / std::log(15396.0087890625 / (0.0113525576889515 * (raw - 6395.0)) + 1);
    EXPECT_NEAR(camera.celsius(raw), kelvin - 273.15, 1e-9) << raw;
  }
  EXPECT_EQ(camera.celsius(6395), -zero_celsius);  // no radiation, no temperature
  EXPECT_EQ(camera.celsius(0), -zero_celsius);
  Parameters parameters;
  EXPECT_FALSE(set(parameters, "radiometry",
                   "17662.396484375,0.0523279123008251,1448.19995117188,1.29999995231628,-4096"));
}

TEST(Radiometry, RefusesWhatIsNone) {
  Parameters parameters;
  for (const char* text : {"", "1", "0,5", "a,b", "1,2,3", "1,2,", "1,2,3,4,5,6", "nan,0", "1,inf",
                           "0,1,1,1,0", "1,1,1,3,0", "0.01 , 2"}) {
    const auto message = set(parameters, "radiometry", text);
    ASSERT_TRUE(message) << text;
    EXPECT_NE(message->find("parameter radiometry: \"" + std::string(text) + "\" is not allowed"),
              std::string::npos)
        << *message;
  }
  EXPECT_EQ(parameters, Parameters{});
}

TEST(ThermalRange, IsAutomaticOrInRawValuesOrTemperatures) {
  using Unit = ThermalRange::Unit;
  const std::pair<const char*, ThermalRange> cases[] = {
      {"auto", {}},
      {"29000..31000", {Unit::raw, 29000, 31000}},
      {"10C..40C", {Unit::celsius, 10, 40}},
      {"-20.5C..-3C", {Unit::celsius, -20.5, -3}},
      {"273.15K..310.15K", {Unit::celsius, 0, 37}},
  };
  for (const auto& [text, expected] : cases) {
    const auto parsed = parse_thermal_range(text);
    ASSERT_TRUE(std::holds_alternative<ThermalRange>(parsed)) << text;
    const ThermalRange range = std::get<ThermalRange>(parsed);
    EXPECT_EQ(range.unit, expected.unit) << text;
    EXPECT_NEAR(range.low, expected.low, 1e-9) << text;
    EXPECT_NEAR(range.high, expected.high, 1e-9) << text;
  }
  EXPECT_EQ(std::get<ThermalRange>(parse_thermal_range(Parameters{}.thermal_range.view())), ThermalRange{});
}

TEST(ThermalRange, RefusesWhatIsNone) {
  Parameters parameters;
  for (const char* text : {"", "automatic", "10", "10C", "40C..10C", "10..10", "10C..40K", "10C..40",
                           "10..40C", "..40", "10..", "10C-40C", "10F..40F", "nan..1", "10C .. 40C"}) {
    const auto message = set(parameters, "thermal-range", text);
    ASSERT_TRUE(message) << text;
    EXPECT_NE(message->find("parameter thermal-range: \"" + std::string(text) + "\" is not allowed"),
              std::string::npos)
        << *message;
  }
  EXPECT_EQ(parameters, Parameters{});
}

}  // namespace
}  // namespace digfusion
