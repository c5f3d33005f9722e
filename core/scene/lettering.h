// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Text as strokes, so that it stays sharp at any size.
#pragma once

#include <string_view>
#include <vector>

#include "core/scene/shape.h"

namespace digfusion::scene {

/// Width of a line of text of that letter height, in scene units.
float text_width(std::string_view text, float height);

/// Adds one capsule a stroke; `centre` is the middle of the line. A to Z, 0 to 9 and space; others are left
/// out.
void add_text(std::vector<Paint>& paints, std::string_view text, Point centre, float height,
              const Paint& manner);

}  // namespace digfusion::scene
