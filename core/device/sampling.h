// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Bodies that read maps: interpolation, means over windows, and the n-th smallest of many numbers.
// Definitions: core/image/resample.cpp, window_mean.cpp.
#pragma once

#include <cstdint>

#include "core/device/host_device.h"

namespace digfusion {

/// Height and width of a map; rows without padding.
struct Extent2 {
  int height, width;
  DIGFUSION_HD constexpr int area() const { return height * width; }
};

/// A grid of half the size, rounded up.
DIGFUSION_HD constexpr Extent2 half_of(Extent2 e) { return {(e.height + 1) / 2, (e.width + 1) / 2}; }

/// Where a position of another grid lies on an axis of `size`: ratio = size here over size there.
struct Place {
  int first, second;
  float share;  ///< of the second
};
DIGFUSION_HD inline Place place_of(int i, double ratio, int size) {
  const double place = larger((i + .5) * ratio - .5, 0.);
  const int first = smaller(static_cast<int>(place), size - 1);
  return {first, smaller(first + 1, size - 1), static_cast<float>(place - first)};
}

/// Bilinear: value(y, x) on a grid of `from`, at (y, x) of a grid that is finer by 1/ratio.
template <class Value>
DIGFUSION_HD float interpolated(const Value& value, Extent2 from, double ratio_y, double ratio_x, int y,
                                int x) {
  const Place r = place_of(y, ratio_y, from.height), c = place_of(x, ratio_x, from.width);
  const float a = value(r.first, c.first), b = value(r.second, c.first);
  const float above = a + c.share * (value(r.first, c.second) - a),
              below = b + c.share * (value(r.second, c.second) - b);
  return above + r.share * (below - above);
}

/// The map at half its size, `to` = half_of(from).
template <class Value>
DIGFUSION_HD float halved_at(const Value& value, Extent2 from, int y, int x) {
  const Extent2 to = half_of(from);
  return interpolated(value, from, double(from.height) / to.height, double(from.width) / to.width, y, x);
}
/// The map on a grid that is finer by a whole factor.
template <class Value>
DIGFUSION_HD float enlarged_at(const Value& value, Extent2 from, int factor, int y, int x) {
  return interpolated(value, from, 1. / factor, 1. / factor, y, x);
}

struct MapValue {
  const float* data;
  int width;
  DIGFUSION_HD float operator()(int y, int x) const { return data[std::int64_t(y) * width + x]; }
};

/// Weights of a symmetric window along one axis: weight[|i|].
struct Taps {
  int radius;
  float weight[17];
};

/// Weighted mean along an axis; what lies beyond the border doesn't count. value(i) for i in 0..size-1.
template <class Value>
DIGFUSION_HD float mean_along(const Value& value, int size, const Taps& taps, int i) {
  float sum = 0, weights = 0;
  const int last = smaller(i + taps.radius, size - 1);
  for (int j = larger(i - taps.radius, 0); j <= last; ++j) {
    const float weight = taps.weight[j < i ? i - j : j - i];
    sum += weight * value(j);
    weights += weight;
  }
  return sum / weights;
}

/// Mean of (2r+1)×(2r+1); what lies beyond the border doesn't count.
template <class Value>
DIGFUSION_HD float box_at(const Value& value, Extent2 e, int radius, int y, int x) {
  const int top = larger(y - radius, 0), bottom = smaller(y + radius, e.height - 1),
            left = larger(x - radius, 0), right = smaller(x + radius, e.width - 1);
  float sum = 0;
  for (int j = top; j <= bottom; ++j)
    for (int i = left; i <= right; ++i) sum += value(j, i);
  return sum / static_cast<float>((bottom - top + 1) * (right - left + 1));
}

/// Numbers in the order of floats, as unsigned integers.
DIGFUSION_HD inline std::uint32_t ordered(float value) {
  const std::uint32_t u = bits_of(value);
  return u & 0x80000000u ? ~u : u | 0x80000000u;
}
DIGFUSION_HD inline float from_ordered(std::uint32_t u) {
  return float_of(u & 0x80000000u ? u & 0x7fffffffu : ~u);
}

/// The number at place `rank` (from 0) of value(0..count-1) in rising order, found by a block of threads,
/// byte by byte.
template <class Block, class Value>
DIGFUSION_HD float ranked(Block& block, int count, int rank, const Value& value) {
  block.once([&] {
    block.word[0] = 0;
    block.word[1] = static_cast<std::uint32_t>(rank);
  });
  for (int shift = 24; shift >= 0; shift -= 8) {
    block.for_all(256, [&](int i) { block.counter[i] = 0; });
    const std::uint32_t prefix = block.word[0];
    block.for_all(count, [&](int i) {
      const std::uint32_t u = ordered(value(i));
      if (shift == 24 || u >> (shift + 8) == prefix >> (shift + 8))
        count_up(block.counter + (u >> shift & 255));
    });
    block.once([&] {
      std::uint32_t left = block.word[1], byte = 0;
      while (byte < 255 && left >= block.counter[byte]) left -= block.counter[byte++];
      block.word[0] = prefix | byte << shift;
      block.word[1] = left;
    });
  }
  const float found = from_ordered(block.word[0]);
  block.once([] {});  // nobody writes before all have read
  return found;
}

}  // namespace digfusion
