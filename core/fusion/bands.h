// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Bandwise fusion. The estimates ĉ_k^t of a source over falling noise levels are an edge-preserving scale
// space; what level i adds to source k is ĉ_k^{t_{i+1}} - ĉ_k^{t_i}, and its information gain measures just
// that addition. So the additions are weighted rather than the pixels:
//     F = Σ_k b_k ĉ_k^{t_1} + Σ_i Σ_k w_k(t_i) (ĉ_k^{t_{i+1}} - ĉ_k^{t_i}),   ĉ_k^{t_{M+1}} = c_k.
// Where the sources show the same scene, each sharp in another place, one weight serves all levels and the
// base (band-weights=joint): the sum is then Σ_k w_k c_k, a choice of source for each place.
#pragma once

#include <ATen/ATen.h>

#include "core/parameters/parameters.h"

namespace digfusion {

/// sources [K,C,H,W]; means E[ĉ] [M,K,C,H,W] from the noisiest level down; distances E[l(ĉ,c)] [M,K,h,w], on
/// the sources' grid or on one that is coarser by a whole factor. Weighs by the parameters distance,
/// smoothing, sharpness, band-weights and base. Returns [1,C,H,W], not clipped. `weights`, if not null, is
/// given those that were used: [M,K,1,H,W], or [1,K,1,H,W] where they are one for all levels.
at::Tensor fuse_bands(const at::Tensor& sources, const at::Tensor& means, const at::Tensor& distances,
                      const Parameters& parameters, at::Tensor* weights = nullptr);

/// weights [M,K,1,H,W] with Σ_k = 1; the others as for fuse_bands(). One kernel where there are kernels
/// (core/device/current_kernels.h) and all are float32.
at::Tensor combine_bands(const at::Tensor& sources, const at::Tensor& means, const at::Tensor& weights,
                         Base base);

/// DIG of each level from E[l(ĉ,c)]: distances [M,...] from the noisiest level down → [M,...], equation (8)
/// with t' the next level and l = 0 below the last.
at::Tensor level_gains(const at::Tensor& distances);

/// w_k ∝ (Π_i d_k,i)^(γ/M), the geometric mean over the levels of the gain from each down to t = 0: distances
/// [M,K,h,w] → [K,h,w], Σ_k w_k = 1; equal weights where there is nothing to gain.
at::Tensor joint_weights(const at::Tensor& distances, double sharpness);

}  // namespace digfusion
