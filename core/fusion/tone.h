// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <ATen/ATen.h>

namespace digfusion {

/// Stretches a fused luma picture [1,1,H,W], linearly, until its 1st and 99th percentile lie .95 below and
/// above mid gray, by `limit` ≥ 1 at most and never by less than 1. It brightens or darkens the picture no
/// more than that needs. Not clipped. What blending pictures of different exposure costs in contrast comes
/// back so.
at::Tensor stretch_contrast(const at::Tensor& picture, double limit);

}  // namespace digfusion
