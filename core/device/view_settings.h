// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the output shows, as the kernels see it: parameters mode, compare, split-position and palette.
#pragma once

#include <cstdint>

#include "core/device/picture_views.h"

namespace digfusion {

enum class Panel : int { visible, infrared, fused, gain };

/// How two panels lie in a picture: left and right of a line, as squares, beside each other, or the second
/// small in a corner.
enum class Arrangement : int { one, split, checker, beside, corner };

struct ComponentView {
  ChannelView visible, output;
  int w_sub, h_sub;
  int columns, rows;   ///< samples of one panel
  int output_columns;  ///< of the output, which may have two panels beside each other
  int largest;
};

struct ViewSettings {
  Arrangement arrangement;
  Panel first, second;
  int components;
  bool is_rgb, is_wide;
  ComponentView component[4];
  double kr, kb;         ///< of the output's matrix
  double black, white;   ///< samples of luma, R, G and B
  double neutral, half;  ///< samples of chroma: none, and what ±.5 are away from it
  int left, wide, high;  ///< pixels: where the second panel begins; a square's or a corner's size
  bool has_palette;
  float part_of_chroma;  ///< of the palette, in a picture that keeps its luma; 0 without one
  std::uint8_t palette[256][3];
};

/// The largest of an output's planes and components.
struct ViewExtent {
  int planes, row_bytes, plane_rows;
  int components, columns, rows;
};

}  // namespace digfusion
