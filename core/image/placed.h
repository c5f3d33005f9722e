// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <ATen/ATen.h>

namespace digfusion {

/// An infrared picture on the visible picture's grid.
struct Placed {
  at::Tensor picture;  ///< [1,C,H,W]; anything where `share` is 0
  at::Tensor share;    ///< [1,1,H,W]: of it in what is fused, 0..1; undefined: 1 everywhere

  /// With the visible picture where there is no infrared one, so that fusion leaves it alone.
  at::Tensor over(const at::Tensor& visible) const {
    return share.defined() ? at::lerp(visible, picture, share.to(picture.device())) : picture;
  }
};

}  // namespace digfusion
