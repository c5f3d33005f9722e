// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The generated scenes that there are.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace digfusion::scene {

enum class Pattern : int { night, smoke, day_glare, still };

inline constexpr Pattern default_pattern = Pattern::smoke;

struct PatternInfo {
  Pattern value;
  const char* nick;   ///< lower case, as typed by the user
  const char* blurb;  ///< one line
};

/// Every pattern, in the order of the enumeration. Thread-safe: rows are constant.
std::span<const PatternInfo> pattern_table();

/// The pattern of that nick, or nothing.
std::optional<Pattern> find_pattern(std::string_view nick);

}  // namespace digfusion::scene
