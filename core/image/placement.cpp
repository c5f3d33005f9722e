// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/placement.h"

#include <algorithm>
#include <cmath>

#include "core/interface/error.h"

namespace digfusion {
namespace {

constexpr double most_enlarged = 8;  // sides of the visible picture: bounds the memory that scaling takes

}  // namespace

Placement place(std::int64_t width, std::int64_t height, double pixel_aspect, std::int64_t visible_width,
                std::int64_t visible_height, double visible_pixel_aspect, InfraredFit fit) {
  const Placement whole{0, 0, visible_width, visible_height};
  if (fit == InfraredFit::stretch) return whole;
  const double aspect = static_cast<double>(width) * pixel_aspect / static_cast<double>(height);
  // Size in the visible grid's pixels when as wide, and when as high, as the visible picture.
  const double height_if_wide = static_cast<double>(visible_width) * visible_pixel_aspect / aspect;
  const double width_if_high = static_cast<double>(visible_height) * aspect / visible_pixel_aspect;
  if (std::abs(height_if_wide - static_cast<double>(visible_height)) <= 1 ||
      std::abs(width_if_high - static_cast<double>(visible_width)) <= 1)
    return whole;
  if (fit == InfraredFit::cover &&
      !(std::max(height_if_wide / static_cast<double>(visible_height),
                 width_if_high / static_cast<double>(visible_width)) <= most_enlarged))
    throw Error(ErrorCode::invalid_argument,
                "infrared picture: its shape differs too much from the visible one's for infrared-fit=cover; "
                "use contain "
                "or stretch");
  const bool is_wider = height_if_wide < static_cast<double>(visible_height);
  Placement p = whole;
  if (is_wider == (fit == InfraredFit::contain))
    p.height = std::max<std::int64_t>(1, std::lround(height_if_wide));
  else
    p.width = std::max<std::int64_t>(1, std::lround(width_if_high));
  p.x = (visible_width - p.width) / 2;
  p.y = (visible_height - p.height) / 2;
  return p;
}

}  // namespace digfusion
