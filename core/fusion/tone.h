// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <ATen/ATen.h>

namespace digfusion {

/// Stretches a fused luma picture [1,1,H,W], linearly, until its 1st and 99th percentile lie .95 below and
/// above mid gray, by `limit` ≥ 1 at most and never by less than 1. It brightens or darkens the picture no
/// more than that needs. Not clipped. What blending pictures of different exposure costs in contrast comes
/// back so.
at::Tensor stretch_contrast(const at::Tensor& picture, double limit);

/// Where a picture's dark and bright ends lie.
struct ToneRange {
  double dark, bright;
};

/// The 2nd and the 98th percentile of [1,1,H,W], whose values lie within -4..4: from a histogram, to a
/// quarter of a gray level.
ToneRange tone_range(const at::Tensor& picture);

/// Brings a picture [1,1,H,W] with these ends to -1..1: compressed, linearly, only when the ends are further
/// apart than gray levels 4 and 251 of 255, then moved only as far as it takes to have both within these. The
/// last 15 levels on either side bend smoothly to the limit, which nothing crosses.
at::Tensor fit_tone(const at::Tensor& picture, ToneRange ends);

}  // namespace digfusion
