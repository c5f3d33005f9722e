// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The amortised student (docs/algorithm.md): E_ε[ĉ^t] and E_ε[(ĉ^t - c)²], the means of equations (8) and
// (10) over all noise draws, are functions of the picture c alone. One evaluation returns them for every
// level.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "core/denoiser/unet.h"

namespace digfusion {

/// What brings a student's outputs to the size of its levels' errors, float32: [1,M,1,1] each. Made once,
/// since a copy from the host would make each frame wait for the GPU.
struct StudentScales {
  StudentScales(const std::vector<int>& timesteps, at::Device device);
  at::Tensor scale;   ///< typical_error() of a level
  at::Tensor offset;  ///< ln of its square
};

struct StudentEstimates {
  at::Tensor mean;   ///< [N,M,H,W] float32: E[ĉ^t] for the M levels, most noise first
  at::Tensor error;  ///< [N,M,H/u,W/u] float32: E[(ĉ^t - c)²], averaged over u×u pixels (u = unshuffle)
};

/// const and thread-safe; one copy serves every stream of a process.
class Student {
 public:
  /// `timesteps`: the M levels for which it was trained, strictly falling. Weights as for LumaDenoiser.
  Student(UNetConfig config, TensorMap weights, std::vector<int> timesteps);

  /// pictures [N,1,H,W] float32 on -1..1, on the student's device, H and W multiples of multiple().
  StudentEstimates estimate(const at::Tensor& pictures) const;

  const std::vector<int>& timesteps() const { return timesteps_; }
  std::int64_t multiple() const { return config_.multiple(); }
  std::int64_t weight_count() const { return count_of(weights_); }
  double multiply_adds(std::int64_t height, std::int64_t width) const {
    return unet_multiply_adds(config_, height, width);
  }
  std::vector<ConvolutionShape> convolutions(std::int64_t height, std::int64_t width) const {
    return unet_convolutions(config_, height, width);
  }
  const UNetConfig& config() const { return config_; }

 private:
  UNetConfig config_;
  TensorMap weights_;
  std::vector<int> timesteps_;
  StudentScales scales_;
};

struct StudentOutputs {
  at::Tensor mean;       ///< as in StudentEstimates
  at::Tensor log_error;  ///< ln of StudentEstimates::error
};

/// The differentiable evaluation that the trainer and Student share.
StudentOutputs student_forward(const UNetConfig& config, const TensorMap& weights, const at::Tensor& pictures,
                               const StudentScales& scales);

/// The network that the trainer builds for a new student of M levels.
UNetConfig student_config(std::size_t levels);

/// Typical root mean squared ĉ^t - c on natural pictures at a timestep: scales the outputs, so that all
/// levels train alike.
double typical_error(int timestep);

}  // namespace digfusion
