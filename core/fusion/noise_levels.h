// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The noise of each stream: given by the user, or estimated from picture to picture (parameter `noise`).
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "core/image/noise_estimate.h"
#include "core/parameters/parameters.h"

namespace digfusion {

/// One stream's pair of cameras. Not thread-safe.
class NoiseLevels {
 public:
  /// sources [K,1,H,W] float32 on -1..1 → the level of each, {0, 0} where there is none worth taking away.
  /// An estimate is the mean of variances over time, a new picture having a share of parameters.adaptation;
  /// a camera whose noise jumps (another gain, another scene) begins anew.
  std::vector<NoiseLevel> of(const at::Tensor& sources, const Parameters& parameters);

  /// Forgets the pictures before.
  void reset() { means_.clear(); }

 private:
  std::vector<NoiseLevel> means_;
};

}  // namespace digfusion
