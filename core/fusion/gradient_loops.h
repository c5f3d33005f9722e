// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The two passes over all pixels of gradient-domain fusion as plain loops: float32 tensors on the CPU,
// [K,1,H,W], contiguous, H and W ≥ 2. Each reads its input once and writes its output once, where ATen's
// operators make a dozen passes over memory; their twins in ATen stand in gradient.cpp, for other devices,
// and in the tests.
#pragma once

#include <ATen/ATen.h>

namespace digfusion {

/// Whether these loops can take it.
bool is_loopable(const at::Tensor& pictures);

/// |Sobel c|²/64 with the border repeated: [K,1,H,W].
at::Tensor sobel_energy_loops(const at::Tensor& sources);

/// gain · div Σ_k w_k ∇c_k as weighted_divergence(): [1,1,H,W].
at::Tensor divergence_loops(const at::Tensor& sources, const at::Tensor& weights, double gain);

}  // namespace digfusion
