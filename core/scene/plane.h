// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A plane of samples, and where its samples lie in the scene.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace digfusion::scene {

/// Rows of `width` samples without padding.
struct Plane {
  int width = 0, height = 0;
  std::vector<float> samples;

  void resize(int new_width, int new_height) {
    width = new_width;
    height = new_height;
    samples.resize(static_cast<std::size_t>(width) * height);
  }
  float* row(int y) { return samples.data() + static_cast<std::ptrdiff_t>(y) * width; }
  const float* row(int y) const { return samples.data() + static_cast<std::ptrdiff_t>(y) * width; }
  float at(int x, int y) const { return row(y)[x]; }
};

/// Pixel centres in scene coordinates: u to the right, 0 in the middle; v downwards, 0..1 in a picture of
/// 4:3. A wider picture shows more at the sides, a taller one more above and below; pixels are square.
struct Grid {
  int width, height;
  float u0, v0;  ///< the first pixel's upper left corner
  float step;    ///< scene units a pixel

  static Grid of_size(int width, int height) {
    const float step = std::max(1.0f / static_cast<float>(height), 4.0f / 3.0f / static_cast<float>(width));
    return {width, height, -0.5f * step * static_cast<float>(width),
            0.5f - 0.5f * step * static_cast<float>(height), step};
  }
  /// With so many pixels more on every side.
  Grid widened(int margin) const {
    const auto shift = static_cast<float>(margin) * step;
    return {width + 2 * margin, height + 2 * margin, u0 - shift, v0 - shift, step};
  }
  /// The chroma samples' grid in a 4:2:0 picture, each in the middle of its four luma samples.
  Grid halved() const { return {(width + 1) / 2, (height + 1) / 2, u0, v0, 2 * step}; }

  float u(int x) const { return u0 + (static_cast<float>(x) + 0.5f) * step; }
  float v(int y) const { return v0 + (static_cast<float>(y) + 0.5f) * step; }
};

}  // namespace digfusion::scene
