// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The student of gradient-domain fusion (docs/algorithm.md, `gradient`): from a noisy picture y = c + n and
// the level of its noise, the clean picture and E_ε[(ĉ^t - c)²], what the denoiser has still to learn of the
// clean picture below noise level t. One evaluation, about a third of the work of Student.
#pragma once

#include <ATen/ATen.h>

#include <span>
#include <vector>

#include "core/denoiser/unet.h"
#include "core/image/noise_estimate.h"

namespace digfusion {

struct GradientEstimates {
  at::Tensor clean;  ///< [K,1,H,W] float32: the picture without its noise; y itself where the level is 0
  /// [K,M,H/(2u),W/(2u)] float32: E[(ĉ^t - c)²] for the M timesteps, averaged over 2u × 2u pixels (u =
  /// unshuffle).
  at::Tensor error;
};

/// const and thread-safe; one copy serves every stream of a process.
class GradientStudent {
 public:
  /// `timesteps`: the M levels for which it was trained, strictly falling. Weights as for LumaDenoiser.
  GradientStudent(UNetConfig config, TensorMap weights, std::vector<int> timesteps);

  /// pictures [K,1,H,W] float32 on -1..1, on the student's device, H and W multiples of multiple(); the noise
  /// of each. Pictures without noise cost half of the others. Pictures of more than `largest_tile` pixels are
  /// taken in tiles, for memory; what a tile lacks of its surroundings is beyond the network's reach, so the
  /// result is that of the whole, but for rounding.
  GradientEstimates estimate(const at::Tensor& pictures, std::span<const NoiseLevel> noise,
                             std::int64_t largest_tile = 1920 * 1088) const;

  /// The network alone, for callers that prepare what goes in and use what comes out themselves, on the
  /// device: `features` as unet_forward_unshuffled() takes them, of twice the pictures, in the weights'
  /// dtype; `told` [K,4] as told_levels() makes it, float32; `noisy` the pictures, by index and rising, that
  /// are wanted without their noise.
  UNetOutputs evaluate(const at::Tensor& features, const at::Tensor& told,
                       const std::vector<std::int64_t>& noisy) const {
    return unet_forward_unshuffled(config_, weights_, features, told, noisy);
  }
  at::ScalarType dtype() const { return weights_.at("head.weight").scalar_type(); }
  /// What is added to the side output for ln of the error: one number a timestep.
  std::vector<float> log_error_offsets() const;

  const std::vector<int>& timesteps() const { return timesteps_; }
  std::int64_t multiple() const { return config_.multiple(); }
  double multiply_adds(std::int64_t height, std::int64_t width, bool noisy) const {
    return unet_multiply_adds(config_, height, width, noisy);
  }
  std::vector<ConvolutionShape> convolutions(std::int64_t height, std::int64_t width) const {
    return unet_convolutions(config_, height, width);
  }
  const UNetConfig& config() const { return config_; }

 private:
  GradientEstimates estimate_tile(const at::Tensor& pictures, std::span<const NoiseLevel> noise) const;

  UNetConfig config_;
  TensorMap weights_;
  std::vector<int> timesteps_;
};

/// τ below, of 255.
inline constexpr double fine_structure = 10;

struct GradientStudentOutputs {
  at::Tensor clean;      ///< [F,1,H,W] float32: the noisy pictures without their noise; may be undefined
  at::Tensor log_error;  ///< ln of GradientEstimates::error
};

/// The differentiable evaluation that the trainer and GradientStudent share. `noisy`: the pictures, by index
/// and rising, which are wanted without their noise.
///
/// A picture with noise of σ comes back as s y + (1-s) B(y) + c F, s = τ²/(σ²+τ²), c = στ/√(σ²+τ²), with B a
/// small blur and F the network: the preconditioning of Karras et al. (arXiv 2206.00364) for a picture whose
/// fine structure has a standard deviation of τ. So the network needn't carry the noise through
/// its few channels, as it would if it had to name it, and weak noise is left to the identity.
GradientStudentOutputs gradient_student_forward(const UNetConfig& config, const TensorMap& weights,
                                                const at::Tensor& pictures, std::span<const NoiseLevel> noise,
                                                const std::vector<int>& timesteps,
                                                const std::vector<std::int64_t>& noisy);

/// The network that the trainer builds for a new student of M levels.
UNetConfig gradient_student_config(std::size_t levels);

/// M = 3: 200, 60, 15.
std::vector<int> gradient_student_timesteps();

}  // namespace digfusion
