// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Samples of a picture in memory, of any layout that check_image() accepts. For core/image alone.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/interface/interface.h"

namespace digfusion {

/// Kr and Kb of Y' = Kr R' + Kg G' + Kb B', Kr + Kg + Kb = 1.
struct LumaCoefficients {
  double r, b;
};
LumaCoefficients luma_coefficients(Matrix matrix);

/// Luma of R, G and B in fixed point: weights that sum to 1 << luma_weight_bits.
inline constexpr int luma_weight_bits = 15;  // OpenCV's
struct LumaWeights {
  int r, g, b;
};
LumaWeights luma_weights(Matrix matrix);

/// Sample values of black and white.
struct Scale {
  double black, white;
  int largest;
};

inline Scale scale_of(int depth, Range range) {
  const int unit = 1 << (depth - 8);
  const int largest = (1 << depth) - 1;
  if (range == Range::limited) return {16.0 * unit, 235.0 * unit, largest};
  return {0.0, static_cast<double>(largest), largest};
}

/// Chroma samples: the value of neutral, and that of ±.5 from there.
struct ChromaScale {
  double neutral, half;
};
inline ChromaScale chroma_scale(int depth, Range range) {
  const int unit = 1 << (depth - 8);
  return {128.0 * unit, range == Range::limited ? 112.0 * unit : ((1 << depth) - 1) / 2.0};
}

/// Samples of one component in a row.
template <class Sample>
class Row {
 public:
  Row(const Image& image, int component, std::int64_t y) {
    const Component& c = image.component[component];
    const Plane& p = image.plane[c.plane];
    at_ = p.data + y * p.stride + c.offset;
    stride_ = c.pixel_stride;
    shift_ = c.shift;
  }
  int get(std::int64_t x) const {
    Sample s;
    std::memcpy(&s, at_ + x * stride_, sizeof s);  // rows needn't be aligned
    return s >> shift_;
  }
  void set(std::int64_t x, int value) const {
    const Sample s = static_cast<Sample>(value << shift_);
    std::memcpy(at_ + x * stride_, &s, sizeof s);
  }

 private:
  std::uint8_t* at_;
  std::ptrdiff_t stride_;
  int shift_;
};

template <class Function>
void for_rows(const Image& image, const Function& function) {
  const std::int64_t grain = std::max<std::int64_t>(1, (1 << 16) / image.width);
  at::parallel_for(0, image.height, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t y = begin; y < end; ++y) function(y);
  });
}

/// Calls `function` with a zero of the sample's type.
template <class Function>
void with_sample_type(const Image& image, const Function& function) {
  if (image.component[0].depth + image.component[0].shift > 8)
    function(std::uint16_t{});
  else
    function(std::uint8_t{});
}

/// What isn't written sample by sample is copied: whole planes of `visible`, except those that hold nothing
/// but samples of the first `written` components.
void copy_planes(const Image& visible, const Image& output, int written);

}  // namespace digfusion
