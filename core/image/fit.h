// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Brings the picture of another camera to the visible picture's grid. (Cameras that don't look along one axis
// need registration besides.)
#pragma once

#include <ATen/ATen.h>

#include "core/image/placed.h"
#include "core/image/placement.h"

namespace digfusion {

/// infrared [1,1,h,w] scaled (bilinear, with an antialiasing filter where it shrinks) into `placement` on a
/// grid of visible's [1,1,H,W]; where it doesn't reach, the visible picture stands, so that fusion leaves it
/// alone. Returned as it is when sizes and placement agree.
at::Tensor fit_to(const at::Tensor& infrared, const at::Tensor& visible, const Placement& placement);

/// The same before the visible picture, of `height` and `width`, comes in.
Placed fitted(const at::Tensor& infrared, std::int64_t height, std::int64_t width,
              const Placement& placement);

}  // namespace digfusion
