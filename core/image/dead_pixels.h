// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <ATen/ATen.h>

namespace digfusion {

/// Finds and replaces an infrared sensor's dead pixels in one stream. A value: copies share tensors that
/// nobody writes to.
///
/// Only a pixel that lies beyond all of its neighbours (8, fewer at the border) can be dead. It is in one
/// picture when it lies beyond them by more than twice what they span and more than eight times what pixels
/// side by side mostly differ by (nine tenths of them differ by less); after ten pictures when it lay beyond
/// them, in ten more pictures than not, by more than half of what they span and more than that difference.
/// So two dead pixels that touch stay, and a target of one pixel goes, if it is hot enough or stands still.
class DeadPixelFilter {
 public:
  /// picture [1,1,H,W] float32, contiguous, of any unit → a copy with the median of the neighbours (of an
  /// even number the upper one) in the place of each dead pixel. The same picture again counts once. A
  /// picture of another size begins anew.
  at::Tensor correct(const at::Tensor& picture);

 private:
  at::Tensor before_;  // the picture
  at::Tensor score_;   // [H,W] uint8, 0..20; from 10 on the pixel is dead
};

}  // namespace digfusion
