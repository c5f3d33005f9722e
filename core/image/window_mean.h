// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Means over a window around each pixel. What lies beyond the border doesn't count. On the CPU, float32 maps
// take plain loops, whose result doesn't depend on the count of threads (nor on the BLAS of the process, as a
// convolution's would); all else takes ATen's operators.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace digfusion {

/// Mean over (2r+1)×(2r+1) pixels. maps [..., H, W], r ≥ 0.
at::Tensor box_filter(const at::Tensor& maps, int radius);

/// Weighted by kernel[i] kernel[j], 2r+1 positive weights along each axis. maps [..., H, W].
at::Tensor window_mean(const at::Tensor& maps, const std::vector<float>& kernel);

}  // namespace digfusion
