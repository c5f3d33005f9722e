// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the output shows: one of the pictures of a frame, or two of them, in the visible picture's layout.
// Parameters mode, compare, split-position, palette and highlight-above.
#pragma once

#include <ATen/ATen.h>

#include "core/device/view_settings.h"
#include "core/interface/interface.h"
#include "core/parameters/parameters.h"
#include "core/parameters/radiometry.h"
#include "core/parameters/view.h"

namespace digfusion {

/// What a view is made of, besides the visible picture.
struct ViewNeeds {
  bool infrared;  ///< the infrared picture in its place
  bool fused;     ///< the fused one, or its gain map
};
ViewNeeds needs_of(const Parameters& parameters);

/// How the pictures of a view lie: pixels, multiples of a block of chroma but at the picture's ends. Both
/// panels are alike where there is one alone.
struct ViewLayout {
  Arrangement arrangement;
  Panel first, second;
  int left = 0;            ///< where the second panel begins (split, corner)
  int wide = 0, high = 0;  ///< of a square (checker) or of the second panel (corner)
};
ViewLayout layout_of(const Parameters& parameters, const Image& visible);

/// The parsed highlight-above, of parameters that check() accepts.
Highlight highlight_of(const Parameters& parameters);

/// Error(invalid_argument) when palette or highlight-above is asked for in a gray output. `output` is one
/// that check_image() accepts.
void check_colours(const Parameters& parameters, const Image& output);

/// A frame's pictures, on the CPU or not; those that the view doesn't need may be undefined.
struct Shown {
  const Image* visible;
  at::Tensor infrared;  ///< [1,C,H,W] on -1..1, in its place, C = 1 or 3
  at::Tensor fused;     ///< [1,C,H,W] on -1..1
  at::Tensor gain;      ///< [1,1,H,W] on 0..1: the infrared share
  at::Tensor hot;       ///< [1,1,H,W], 1 where highlight-above applies and 0 elsewhere; may be undefined
};

/// Writes what `parameters` ask for to `output`, which has the visible picture's layout, panels_across()
/// times as wide. Where two pictures meet, they do so between blocks of subsampled chroma; but beside a
/// picture of odd width, whose last block holds a pixel of each.
void write_view(const Shown& shown, const Parameters& parameters, const Image& output);

/// For pictures that mustn't be interpolated: a picture [1,3,h,w] of each sample's column, row and a 1. Bring
/// it to the visible grid as the infrared picture is brought there, with zeros where that doesn't reach, and
/// take_nearest() has the samples of another picture [1,1,h,w] nearest to there: [1,1,H,W], 0 where there are
/// none.
at::Tensor coordinates(std::int64_t height, std::int64_t width);
at::Tensor take_nearest(const at::Tensor& picture, const at::Tensor& placed_coordinates);

}  // namespace digfusion
