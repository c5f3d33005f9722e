// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Theorem 1 of Dig2DIG says that the generalisation error ζ is at most C - Σ_t Σ_k Cov(w_k, B_k), so that
// weights that go with what a source contributes make it smaller. Generated scenes (core/scene) have an ideal
// fused picture Y*, so here both sides can be measured. With x̂0 the estimate of the sampling at t:
//     ζ   = ½ mean (x̂0' - Y*)²
//     B_k = (c_k - x̂0)·(Y* - x̂0) / |Y* - x̂0|   per pixel: how far source k lies in the ideal's direction
// B_k is 0 where x̂0 is ideal already. The weights of the information gain stand beside three others: the same
// ones shuffled over the pixels (all k alike), their rank within the scene, and w = 1/K, whose covariance is
// 0.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>
#include <vector>

#include "core/tools/reproduce_report.h"
#include "core/tools/reproduce_statistics.h"

namespace digfusion::tools {

enum class Weighting : int { gain, shuffled, rank, equal };
inline constexpr std::array<const char*, 4> weighting_names{"information gain", "shuffled", "rank",
                                                            "equal (w = 1/K)"};

/// One scene at one step of its sampling, with one weighting.
struct TheoremSums {
  std::vector<PairSums> pairs;  ///< of w_k and B_k over the pixels, for each k
  double zeta = 0;              ///< of x̂0 + s Σ_k w_k (c_k - x̂0)
};

/// B_k [K,1,H,W].
at::Tensor contribution(const at::Tensor& sources, const at::Tensor& x0, const at::Tensor& ideal);

/// The weights that a weighting makes of w_k [K,1,H,W]; `seed` of the shuffling. For rank K must be 2.
at::Tensor reweighted(const at::Tensor& weights, Weighting weighting, std::uint64_t seed);

/// All of them [..,1,H,W] on -1..1, on the CPU; `scale` is the guidance scale s of that step.
TheoremSums theorem_sums(const at::Tensor& sources, const at::Tensor& x0, const at::Tensor& ideal,
                         const at::Tensor& weights, double scale);

/// Samples `options.limit` scenes (16 when 0), `options.size` wide (320 when 0), and writes
/// theorem1.{csv,md,png}. With guidance=em or distance=none there are no weights to check:
/// std::runtime_error.
void reproduce_theorem1(const ReproduceOptions& options);

}  // namespace digfusion::tools
