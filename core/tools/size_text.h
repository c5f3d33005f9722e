// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Two whole numbers with a cross between, as options take them.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace digfusion::tools {

struct SizeText {
  int width = 0, height = 0;
};

/// "640x480"; nothing for any other text.
inline std::optional<SizeText> parse_size_text(std::string_view text) {
  SizeText size;
  const char* end = text.data() + text.size();
  const auto [cross, width_error] = std::from_chars(text.data(), end, size.width);
  if (width_error != std::errc() || cross == end || *cross != 'x') return {};
  const auto [stop, height_error] = std::from_chars(cross + 1, end, size.height);
  if (height_error != std::errc() || stop != end) return {};
  return size;
}

}  // namespace digfusion::tools
