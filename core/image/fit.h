// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Brings the picture of another camera to the visible picture's grid. (Cameras that don't look along one axis
// need registration besides.)
#pragma once

#include <ATen/ATen.h>

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

/// infrared [1,1,h,w] scaled (bilinear, with an antialiasing filter where it shrinks) into `placement` on a
/// grid of visible's [1,1,H,W]; where it doesn't reach, the visible picture stands, so that fusion leaves it
/// alone. Returned as it is when sizes and placement agree.
at::Tensor fit_to(const at::Tensor& infrared, const at::Tensor& visible, const Placement& placement);

}  // namespace digfusion
