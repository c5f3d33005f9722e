// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the frames before tell about the present one (docs/algorithm.md, `gradient` in video): where the scene
// stands still, and how its light has changed.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace digfusion {

/// How a frame differs from the mean of those before.
struct SceneChange {
  /// [1,1,H,W], 0..1: the share of this frame in a mean over time. still_share where nothing moves, 1 where
  /// something does.
  at::Tensor share;
  /// Of the light, in each source, -2..2: the median over blocks, so that what moves has no say.
  std::vector<double> shift;
  /// 0..1: 1 when so much of the frame is another, apart from the shift, that no number of the past holds.
  /// The shares are no smaller than this.
  double renewal = 0;
};

/// Follows one stream's sources and tells what moves. A value: copies share tensors that nobody writes to.
class SceneMemory {
 public:
  /// sources [K,1,H,W] on -1..1, of one size and device between calls; still_share in 0..1. Takes them into
  /// the mean over time. The first frame is no change of anything: its share is undefined.
  SceneChange follow(const at::Tensor& sources, double still_share);

 private:
  at::Tensor mean_;      // of the sources, over time, at half the resolution
  at::Tensor contrast_;  // of the frame before: variance around each block
  at::Tensor noise_;     // [K,1,1,1]: mean square of what changes where nothing moves
};

/// The mean over time of maps [K,1,H,W]: before + shift where the share is 0, now where it is 1.
at::Tensor mean_over_time(const at::Tensor& before, const at::Tensor& now, const SceneChange& change,
                          double shift = 0);

}  // namespace digfusion
