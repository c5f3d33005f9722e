// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <ATen/ATen.h>

#include <optional>

namespace digfusion {

/// How strongly a picture of an infrared camera, [1,1,H,W] float32 on -1..1 on the CPU, speaks for warm being
/// bright: -5..5, negative for warm being dark, and exactly that of the other sign for the negative picture.
/// Small things are mostly warmer than what they stand before (people, engines, lamps), so the differences
/// from the surroundings' mean are skewed to the warm side; the sky is cold, so the lower third of a picture
/// is mostly warmer than the upper.
double bright_lean(const at::Tensor& picture);

/// Tells whether an infrared stream is black-hot, as far as its pictures tell.
class PolarityWatch {
 public:
  /// By the mean of bright_lean() over time, in which this picture's share is `adaptation`. Begins with
  /// white-hot and changes where that is clear: at -1, and back at 1.
  bool is_black_hot(const at::Tensor& picture, double adaptation);

 private:
  std::optional<double> lean_;
  bool is_black_hot_ = false;
};

}  // namespace digfusion
