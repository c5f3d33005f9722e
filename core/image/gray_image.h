// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/interface/interface.h"

namespace digfusion {

/// A gray picture whose samples lie row by row without gaps, `depth` bits (8 or 16) each; borrowed.
inline Image gray_image(std::uint8_t* samples, int width, int height, int depth = 8) {
  const int row = width * (depth / 8);
  Image image;
  image.width = width;
  image.height = height;
  image.components = image.planes = 1;
  image.component[0] = {
      .plane = 0, .offset = 0, .pixel_stride = depth / 8, .depth = depth, .shift = 0, .w_sub = 0, .h_sub = 0};
  image.plane[0] = {samples, row, static_cast<std::size_t>(row), height};
  return image;
}

}  // namespace digfusion
