// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/scene/pattern.h"

#include <array>

namespace digfusion::scene {

std::span<const PatternInfo> pattern_table() {
  static constexpr std::array table = {
      PatternInfo{Pattern::night, "night",
                  "Dark street with lamps, dazzling headlights and a noisy visible camera"},
      PatternInfo{Pattern::smoke, "smoke",
                  "Overcast street behind drifting smoke, which only the infrared camera sees through"},
      PatternInfo{Pattern::day_glare, "day-glare",
                  "Sunny street with the low sun in the visible camera's lens and people in deep shade"},
      PatternInfo{Pattern::still, "still",
                  "The street at dusk in thin smoke, nothing moving; only the sensor noise changes"},
  };
  return table;
}

std::optional<Pattern> find_pattern(std::string_view nick) {
  for (const PatternInfo& info : pattern_table())
    if (nick == info.nick) return info.value;
  return std::nullopt;
}

}  // namespace digfusion::scene
