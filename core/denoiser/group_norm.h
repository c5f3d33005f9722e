// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The normalisation of the guided-diffusion U-Net, with all that is done to a number between two
// convolutions.
#pragma once

#include <ATen/ATen.h>

namespace digfusion {

enum class Activation { none, silu };

/// GroupNorm of 32 groups, ε = 1e-5 (the published GroupNorm32), then y (1 + scale) + shift where film =
/// [scale, shift] [N,2C] is defined, then SiLU, all in float32 or better whatever x is, and rounded once. x
/// [N,C,H,W] float32, bfloat16 or float16; weight and bias [C] and film float32. Writes to `result`, which
/// has x's shape, dtype and memory format and may be x itself. On a CPU channels_last tensors of float32 and
/// bfloat16 are read twice and written once.
void group_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& film,
                Activation activation, at::Tensor& result);

}  // namespace digfusion
