// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Diffusion information gain: equations (8) to (11) of Dig2DIG (arXiv 2503.18627).
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>

#include "core/denoiser/denoiser.h"
#include "core/device/fitting_batches.h"
#include "core/image/window_mean.h"
#include "core/parameters/parameters.h"

namespace digfusion {

/// A field of standard normal noise: number, height, width → [1,1,H,W] float32 on the computing device. The
/// same number gives the same field.
using NoiseField = std::function<at::Tensor(std::int64_t number, std::int64_t height, std::int64_t width)>;

/// Field `number` for pictures [K,C,H,W]: [1,C,H,W], with noise of its own in each channel.
at::Tensor field_for(const at::Tensor& pictures, const NoiseField& noise, std::int64_t number);

/// One stream's calls of a denoiser, which outlives it: in batches that fit the memory, and counted. What
/// didn't fit is remembered for each size of picture. Not thread-safe.
class Evaluator {
 public:
  explicit Evaluator(const Denoiser& denoiser) : denoiser_(denoiser) {}

  /// As Denoiser::predict(), for any N; with `deep` as predict_reusing(). Throws as FittingBatches::run().
  Prediction predict(const at::Tensor& xt, std::span<const int> t, at::Tensor* deep = nullptr);
  at::Tensor predict_noise(const at::Tensor& xt, std::span<const int> t) { return predict(xt, t).noise; }

  const Denoiser& denoiser() const { return denoiser_; }
  double alpha_bar(int t) const { return denoiser_.schedule().alpha_bar.at(static_cast<std::size_t>(t)); }
  /// Pictures evaluated since construction or since start().
  std::uint64_t evaluations() const { return evaluations_; }
  void start() { evaluations_ = 0; }
  /// The most pictures of this size that one batch may have; at least 1.
  std::int64_t at_once(std::int64_t height, std::int64_t width) const {
    return std::max<std::int64_t>(1, denoiser_.pixels_at_once() / (height * width));
  }

 private:
  const Denoiser& denoiser_;
  FittingBatches batches_;
  std::uint64_t evaluations_ = 0;
};

/// l of equation (8) as a map: a and b [N,C,H,W] on -1..1 → [N,1,H,W], the mean over the channels. l2 squared
/// difference, l1 absolute difference, ssim 1 - SSIM (Gaussian 11×11, σ = 1.5, reflected border), none zero.
at::Tensor distance_map(const at::Tensor& a, const at::Tensor& b, Distance distance);

/// What one-step denoising leaves of each source at each level, as means over noise draws.
struct LevelEstimates {
  at::Tensor mean;      ///< [L,K,C,H,W]: E_ε[ĉ_k^t], equation (10)
  at::Tensor distance;  ///< [L,K,1,H,W]: E_ε[l(ĉ_k^t, c_k)]
};

/// sources [K,C,H,W] on -1..1, C = 1 or the denoiser's channels(), H and W multiples of the denoiser's;
/// timesteps L ≥ 1. Each draw uses one noise field for all sources and levels, which cancels most of the
/// Monte Carlo error between the sources; draws come in pairs ±ε. A batch is the L·K evaluations of one draw,
/// or of as many as Evaluator::at_once() allows.
LevelEstimates estimate_levels(Evaluator& evaluator, const at::Tensor& sources,
                               std::span<const int> timesteps, Distance distance, int draws,
                               const NoiseField& noise);

/// w_k = softmax_k(DIG_k/τ), equation (11). gains [K,1,H,W] → [K,1,H,W], Σ_k w_k = 1. `global` first reduces
/// a map to its mean.
at::Tensor softmax_weights(const at::Tensor& gains, double temperature, Extent extent);

/// w_k ∝ max(DIG_k,0)^γ over dimension `dim`; equal weights where no source gains.
at::Tensor power_weights(const at::Tensor& gains, double sharpness, std::int64_t dim);

}  // namespace digfusion
