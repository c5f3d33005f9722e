// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between a picture in memory and its luma as a tensor. Black is -1 and white 1, whatever the depth and range
// of the samples; what lies beyond (limited range has room there) is clipped.
#pragma once

#include <ATen/ATen.h>

#include "core/interface/interface.h"

namespace digfusion {

/// Throws Error(invalid_argument) that says which field is impossible: sizes, planes too short for the
/// components, depths, null pointers. `across`: how many pictures lie beside each other in it.
void check_image(const Image& image, const char* which, int across = 1);

/// Luma [1,1,H,W] float32, on the CPU. RGB pictures: Y' by the matrix's weights in fixed point, for 8 bit and
/// Matrix::rgb exactly OpenCV's BGR→GRAY.
at::Tensor read_luma(const Image& image);

/// Writes `visible` with its luma replaced by `fused` ([1,1,H,W] float32 on -1..1, any device) to `output`,
/// which has the layout of `visible`. Chroma and alpha are copied; R, G and B all change by what the luma
/// changes.
void write_fused(const Image& visible, const at::Tensor& fused, const Image& output);

}  // namespace digfusion
