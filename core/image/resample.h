// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <ATen/ATen.h>

namespace digfusion {

/// Bilinear interpolation to another grid over the same picture, as at::upsample_bilinear2d(…, align_corners
/// = false): maps [N,C,h,w] → [N,C,height,width]. On the CPU, float32 maps take plain loops.
at::Tensor resample(const at::Tensor& maps, std::int64_t height, std::int64_t width);

}  // namespace digfusion
