// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "core/denoiser/safetensors.h"

namespace digfusion {

/// Adam (arXiv 1412.6980) over a set of named weights, and their exponential moving average.
class Adam {
 public:
  /// Takes over `weights` (float32, on the CPU); they require gradients from now on.
  Adam(TensorMap weights, double average_decay);

  const TensorMap& weights() const { return weights_; }
  const TensorMap& average() const { return average_; }

  /// One step down the gradients that backward() has left in the weights (clipped to `clip` in norm), which
  /// are then cleared. Returns the gradient's norm before clipping.
  double step(double learning_rate, double clip);

  /// All state but the step count under names with a prefix; restore() throws Error(model) where one is
  /// missing.
  void save(TensorMap& into) const;
  void restore(const TensorMap& from, std::int64_t steps, const std::string& path);

 private:
  TensorMap weights_, average_, first_, second_;
  double average_decay_;
  std::int64_t steps_ = 0;
};

}  // namespace digfusion
