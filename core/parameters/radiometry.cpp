// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/parameters/radiometry.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <vector>

namespace digfusion {
namespace {

/// All of `text` as a finite number.
std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || !std::isfinite(value)) return {};
  return value;
}

std::string refusal(const char* parameter, std::string_view text, const char* advice) {
  return std::string("parameter ") + parameter + ": \"" + std::string(text) + "\" is not allowed; give " +
         advice;
}

/// A number and the letter behind it, or 0 where there is none.
struct Bound {
  double value;
  char unit;
};

std::optional<Bound> parse_bound(std::string_view text) {
  char unit = 0;
  if (!text.empty() && (text.back() == 'C' || text.back() == 'K')) {
    unit = text.back();
    text.remove_suffix(1);
  }
  const auto value = number_of(text);
  if (!value) return {};
  return Bound{unit == 'K' ? *value - zero_celsius : *value, unit};
}

}  // namespace

double Radiometry::celsius(double raw) const {
  if (!is_planck) return scale * raw + offset;
  const auto [r1, r2, b, f, o] = planck;
  if (raw + o <= 0) return -zero_celsius;
  const double logarithm = std::log(r1 / (r2 * (raw + o)) + f);
  return logarithm > 0 ? b / logarithm - zero_celsius : HUGE_VAL;
}

double Radiometry::raw(double celsius) const {
  if (!is_planck) return (celsius - offset) / scale;
  const auto [r1, r2, b, f, o] = planck;
  return r1 / (r2 * (std::exp(b / (celsius + zero_celsius)) - f)) - o;
}

std::variant<Radiometry, std::string> parse_radiometry(std::string_view text) {
  std::vector<double> numbers;
  for (std::string_view rest = text;;) {
    const std::size_t comma = rest.find(',');
    const auto value = number_of(rest.substr(0, comma));
    if (!value) break;
    numbers.push_back(*value);
    if (comma != rest.npos) {
      rest.remove_prefix(comma + 1);
      continue;
    }
    Radiometry radiometry;
    if (numbers.size() == 2 && numbers[0] != 0) {
      radiometry.scale = numbers[0];
      radiometry.offset = numbers[1];
      return radiometry;
    }
    if (numbers.size() == 5 && numbers[0] > 0 && numbers[1] > 0 && numbers[2] > 0 && numbers[3] >= 0.5 &&
        numbers[3] <= 2) {
      radiometry.is_planck = true;
      std::copy(numbers.begin(), numbers.end(), radiometry.planck.begin());
      return radiometry;
    }
    break;
  }
  return refusal("radiometry", text,
                 "SCALE,OFFSET with a scale other than 0, such as 0.01,-273.15, or Planck's R1,R2,B,F,O with "
                 "R1, R2 and B above 0 and F from 0.5 to 2");
}

std::variant<ThermalRange, std::string> parse_thermal_range(std::string_view text) {
  if (text == "auto") return ThermalRange{};
  const std::size_t dots = text.find("..");
  if (dots != text.npos) {
    const auto low = parse_bound(text.substr(0, dots)), high = parse_bound(text.substr(dots + 2));
    if (low && high && low->unit == high->unit && low->value < high->value)
      return ThermalRange{low->unit ? ThermalRange::Unit::celsius : ThermalRange::Unit::raw, low->value,
                          high->value};
  }
  return refusal("thermal-range", text,
                 "auto, or two numbers with two dots between, the lower one first and both in one unit, such "
                 "as 29000..31000, 10C..40C or 280K..310K");
}

std::variant<Highlight, std::string> parse_highlight(std::string_view text) {
  if (text == "none") return Highlight{};
  if (const auto bound = parse_bound(text))
    return Highlight{bound->unit ? Highlight::Unit::celsius : Highlight::Unit::raw, bound->value};
  return refusal("highlight-above", text, "none, a raw value, or a temperature such as 37C or 310K");
}

}  // namespace digfusion
