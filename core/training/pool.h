// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <opencv2/core.hpp>
#include <vector>

#include "core/training/leaves.h"

namespace digfusion {

/// Generated pictures at hand, of which the oldest gives way at every step. What it holds at a step is a
/// function of (seed, size of the pool, step) alone.
class PicturePool {
 public:
  /// Generates the pool as it stands before `step`.
  PicturePool(std::uint64_t seed, int pictures, std::int64_t step);

  /// The batch of a step, [batch,1,patch,patch] float32 on -1..1: crops, turned and mirrored, of varied
  /// contrast, some negative. Steps must follow each other.
  at::Tensor batch(std::int64_t step, int batch, int patch);

  /// Pictures that no pool ever holds, uncropped: [count,1,patch,patch].
  at::Tensor held_out(int count, int patch) const;

  static constexpr int picture_size = 256;

 private:
  std::uint64_t seed_;
  LeavesGenerator generator_;
  std::vector<cv::Mat> pictures_;
};

}  // namespace digfusion
