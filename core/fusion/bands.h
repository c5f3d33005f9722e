// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Bandwise fusion. The estimates ĉ_k^t of a source over falling noise levels are an edge-preserving scale
// space; what level i adds to source k is ĉ_k^{t_{i+1}} - ĉ_k^{t_i}, and its information gain measures just
// that addition. So the additions are weighted rather than the pixels:
//     F = Σ_k b_k ĉ_k^{t_1} + Σ_i Σ_k w_k(t_i) (ĉ_k^{t_{i+1}} - ĉ_k^{t_i}),   ĉ_k^{t_{M+1}} = c_k.
#pragma once

#include <ATen/ATen.h>

#include "core/parameters/parameters.h"

namespace digfusion {

/// sources [K,1,H,W]; means [M,K,1,H,W] from the noisiest level down; weights [M,K,1,H,W] with Σ_k = 1.
/// Returns [1,1,H,W], not clipped.
at::Tensor combine_bands(const at::Tensor& sources, const at::Tensor& means, const at::Tensor& weights,
                         Base base);

/// DIG of each level from E[l(ĉ,c)]: distances [M,...] from the noisiest level down → [M,...], equation (8)
/// with t' the next level and l = 0 below the last.
at::Tensor level_gains(const at::Tensor& distances);

}  // namespace digfusion
