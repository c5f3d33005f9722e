// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What each kind of network is trained to do.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "core/denoiser/denoiser.h"

namespace digfusion {

/// The generator of all that is random at a step.
at::Generator generator_for(std::uint64_t seed, std::int64_t step);

class Objective {
 public:
  virtual ~Objective() = default;
  /// The mean loss over `pictures` [N,1,h,w], differentiable in the weights.
  virtual at::Tensor loss(const TensorMap& weights, const at::Tensor& pictures, at::Generator generator) = 0;
  /// PSNR of held-out pictures without white noise of σ = 10, 22, 50 of 255; left as it is where the network
  /// doesn't denoise.
  virtual void validate(const TensorMap& weights, double (&psnr)[3]) { (void)weights, (void)psnr; }
};

/// held_out [N,1,h,w]: pictures for validate().
std::unique_ptr<Objective> denoiser_objective(const UNetConfig& config, at::Tensor held_out);
std::unique_ptr<Objective> student_objective(const UNetConfig& config, std::vector<int> timesteps,
                                             std::shared_ptr<const Denoiser> teacher);
std::unique_ptr<Objective> gradient_student_objective(const UNetConfig& config, std::vector<int> timesteps,
                                                      std::shared_ptr<const Denoiser> teacher,
                                                      at::Tensor held_out);

}  // namespace digfusion
