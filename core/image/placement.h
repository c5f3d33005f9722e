// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where the whole picture of another camera comes to lie on the visible picture. Knows no pictures (fit.h
// does).
#pragma once

#include <cstdint>

#include "core/parameters/parameters.h"

namespace digfusion {

/// Where a picture comes to lie on the visible grid, in pixels; may reach beyond it with InfraredFit::cover.
struct Placement {
  std::int64_t x, y, width, height;
  bool operator==(const Placement&) const = default;
};

/// Aspect ratios are those of the display: width × pixel aspect over height. Centred. Within a pixel of the
/// whole grid it is the whole grid. Error(invalid_argument) where `cover` would enlarge a side more than
/// 8-fold.
Placement place(std::int64_t width, std::int64_t height, double pixel_aspect, std::int64_t visible_width,
                std::int64_t visible_height, double visible_pixel_aspect, InfraredFit fit);

}  // namespace digfusion
