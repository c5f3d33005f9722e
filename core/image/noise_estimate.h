// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How noisy a picture is, from the picture alone.
#pragma once

#include <ATen/ATen.h>

namespace digfusion {

/// Standard deviations in 0..255 units; both are independent of each other and of the rows.
struct NoiseLevel {
  double white = 0;   ///< of what changes from pixel to pixel
  double column = 0;  ///< of what a column adds to all of its pixels, against the columns beside it

  double total() const;
  bool operator==(const NoiseLevel&) const = default;
};

/// This much of either is the texture and grain of clean pictures: an estimate is √(found² - least²), or 0.
constexpr double least_white_noise = 2, least_column_noise = 1;

/// picture [1,1,H,W] or [H,W] float32 on -1..1, on any device; {0, 0} where H or W is below 16. About a third
/// of a millisecond for 640×480.
///
/// White: J. Immerkær's operator ("Fast noise variance estimation", CVIU 64, 1996), the difference of two
/// Laplacians, which sees neither shading nor columns; of its mean magnitudes over 8×8 blocks the lowest
/// tenth, since only flat ground shows noise alone. Blocks that are clipped don't count.
/// Column: fourth differences along the rows, averaged down the upper and the lower half, clipped so that
/// edges count little; what both halves have in common, as a robust covariance over the columns.
NoiseLevel estimate_noise(const at::Tensor& picture);

}  // namespace digfusion
