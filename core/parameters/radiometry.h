// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the raw values of a thermal camera mean, as the parameters `radiometry` and `thermal-range` tell it.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <variant>

namespace digfusion {

inline constexpr double zero_celsius = 273.15;  ///< in kelvin

/// Temperature by raw value.
struct Radiometry {
  bool is_planck = false;
  double scale = 0.01, offset = -zero_celsius;  ///< linear: °C = scale·raw + offset
  /// R1, R2, B, F, O of K = B / ln(R1 / (R2·(raw + O)) + F), as FLIR's cameras store them.
  std::array<double, 5> planck{};

  /// In °C. Planck's curve has no temperature where raw + O isn't above 0: absolute zero stands there.
  double celsius(double raw) const;
  /// The raw value of a temperature that is one, whether or not a sample could hold it.
  double raw(double celsius) const;

  bool operator==(const Radiometry&) const = default;
};

/// "SCALE,OFFSET" (scale not 0) or "R1,R2,B,F,O" (R1, R2 and B above 0, F from 0.5 to 2), finite; or a
/// message.
std::variant<Radiometry, std::string> parse_radiometry(std::string_view text);

/// What black and white stand for.
struct ThermalRange {
  enum class Unit { automatic, raw, celsius };
  Unit unit = Unit::automatic;
  double low = 0, high = 0;  ///< low < high; meaningless when automatic

  bool operator==(const ThermalRange&) const = default;
};

/// "auto", "LOW..HIGH", "LOWC..HIGHC" or "LOWK..HIGHK" (kept in °C); or a message.
std::variant<ThermalRange, std::string> parse_thermal_range(std::string_view text);

/// From where on infrared values are highlighted.
struct Highlight {
  enum class Unit { none, raw, celsius };
  Unit unit = Unit::none;
  double above = 0;  ///< meaningless when none

  bool operator==(const Highlight&) const = default;
};

/// "none", a raw value, or a temperature: "37C", "310K" (kept in °C); or a message.
std::variant<Highlight, std::string> parse_highlight(std::string_view text);

}  // namespace digfusion
