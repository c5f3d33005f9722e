// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Pictures in memory in every layout that the element takes, with room around their rows that nobody may
// touch.
#pragma once

#include <cstdint>
#include <cstring>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "core/interface/interface.h"

namespace digfusion {

struct Layout {
  const char* name;
  bool is_rgb;
  int depth, shift;
  int planes, components;
  // plane, bytes to the first sample, bytes between samples, log2 of the subsampling
  struct Samples {
    int plane, offset, pixel_stride, w_sub = 0, h_sub = 0;
  } samples[4];
};
inline void PrintTo(const Layout& layout, std::ostream* out) { *out << layout.name; }

inline constexpr Layout layouts[] = {
    {"I420", false, 8, 0, 3, 3, {{0, 0, 1}, {1, 0, 1, 1, 1}, {2, 0, 1, 1, 1}}},
    {"YV12", false, 8, 0, 3, 3, {{0, 0, 1}, {2, 0, 1, 1, 1}, {1, 0, 1, 1, 1}}},
    {"NV12", false, 8, 0, 2, 3, {{0, 0, 1}, {1, 0, 2, 1, 1}, {1, 1, 2, 1, 1}}},
    {"Y42B", false, 8, 0, 3, 3, {{0, 0, 1}, {1, 0, 1, 1, 0}, {2, 0, 1, 1, 0}}},
    {"Y444", false, 8, 0, 3, 3, {{0, 0, 1}, {1, 0, 1}, {2, 0, 1}}},
    {"YUY2", false, 8, 0, 1, 3, {{0, 0, 2}, {0, 1, 4, 1, 0}, {0, 3, 4, 1, 0}}},
    {"UYVY", false, 8, 0, 1, 3, {{0, 1, 2}, {0, 0, 4, 1, 0}, {0, 2, 4, 1, 0}}},
    {"GRAY8", false, 8, 0, 1, 1, {{0, 0, 1}}},
    {"GRAY16_LE", false, 16, 0, 1, 1, {{0, 0, 2}}},
    {"P010_10LE", false, 10, 6, 2, 3, {{0, 0, 2}, {1, 0, 4, 1, 1}, {1, 2, 4, 1, 1}}},
    {"I420_10LE", false, 10, 0, 3, 3, {{0, 0, 2}, {1, 0, 2, 1, 1}, {2, 0, 2, 1, 1}}},
    {"RGB", true, 8, 0, 1, 3, {{0, 0, 3}, {0, 1, 3}, {0, 2, 3}}},
    {"BGR", true, 8, 0, 1, 3, {{0, 2, 3}, {0, 1, 3}, {0, 0, 3}}},
    {"RGBx", true, 8, 0, 1, 3, {{0, 0, 4}, {0, 1, 4}, {0, 2, 4}}},
    {"BGRx", true, 8, 0, 1, 3, {{0, 2, 4}, {0, 1, 4}, {0, 0, 4}}},
    {"xRGB", true, 8, 0, 1, 3, {{0, 1, 4}, {0, 2, 4}, {0, 3, 4}}},
    {"xBGR", true, 8, 0, 1, 3, {{0, 3, 4}, {0, 2, 4}, {0, 1, 4}}},
    {"RGBA", true, 8, 0, 1, 4, {{0, 0, 4}, {0, 1, 4}, {0, 2, 4}, {0, 3, 4}}},
    {"ARGB", true, 8, 0, 1, 4, {{0, 1, 4}, {0, 2, 4}, {0, 3, 4}, {0, 0, 4}}},
};

inline const Layout& layout_named(const std::string& name) {
  for (const Layout& layout : layouts)
    if (name == layout.name) return layout;
  throw std::out_of_range(name);
}

/// Owns the memory of an Image. Every byte that holds no sample is `sentinel` until somebody writes there.
class TestImage {
 public:
  static constexpr std::uint8_t sentinel = 0xA5;

  TestImage(const Layout& layout, int width, int height, bool bottom_up = false) {
    image.width = width;
    image.height = height;
    image.is_rgb = layout.is_rgb;
    image.matrix = layout.is_rgb ? Matrix::rgb : Matrix::bt601;
    image.components = layout.components;
    image.planes = layout.planes;
    std::size_t size = gap;
    for (int c = 0; c < layout.components; ++c) {
      const Layout::Samples& s = layout.samples[c];
      image.component[c] = {s.plane, s.offset, s.pixel_stride, layout.depth, layout.shift, s.w_sub, s.h_sub};
      Plane& plane = image.plane[s.plane];
      plane.rows = rows(c);
      plane.row_bytes = std::max(plane.row_bytes, std::size_t(columns(c)) * std::size_t(s.pixel_stride));
      // Packed layouts hold whole groups of pixels.
      if (layout.planes == 1 && layout.components == 3 && !layout.is_rgb)
        plane.row_bytes = std::size_t(width + 1) / 2 * 4;
    }
    for (int p = 0; p < layout.planes; ++p)
      size += (image.plane[p].row_bytes + gap) * std::size_t(image.plane[p].rows);
    memory_.assign(size, sentinel);
    std::size_t at = gap;
    for (int p = 0; p < layout.planes; ++p) {
      Plane& plane = image.plane[p];
      plane.stride = std::ptrdiff_t(plane.row_bytes + gap);
      plane.data = memory_.data() + at;
      at += std::size_t(plane.stride) * std::size_t(plane.rows);
      if (bottom_up) {
        plane.data += plane.stride * (plane.rows - 1);
        plane.stride = -plane.stride;
      }
    }
  }
  TestImage(const TestImage&) = delete;
  TestImage& operator=(const TestImage&) = delete;

  int columns(int c) const {
    return (image.width + (1 << image.component[c].w_sub) - 1) >> image.component[c].w_sub;
  }
  int rows(int c) const {
    return (image.height + (1 << image.component[c].h_sub) - 1) >> image.component[c].h_sub;
  }

  int get(int c, int x, int y) const {
    const Component& s = image.component[c];
    const std::uint8_t* from =
        image.plane[s.plane].data + y * image.plane[s.plane].stride + s.offset + x * s.pixel_stride;
    const int word = s.depth + s.shift > 8 ? from[0] + 256 * from[1] : from[0];
    return word >> s.shift;
  }
  void set(int c, int x, int y, int value) {
    const Component& s = image.component[c];
    std::uint8_t* to =
        image.plane[s.plane].data + y * image.plane[s.plane].stride + s.offset + x * s.pixel_stride;
    const int word = value << s.shift;
    to[0] = std::uint8_t(word);
    if (s.depth + s.shift > 8) to[1] = std::uint8_t(word >> 8);
  }

  /// Smallest and largest sample that stands for black to white.
  int black() const { return image.range == Range::limited ? 16 << (image.component[0].depth - 8) : 0; }
  int white() const {
    return image.range == Range::limited ? 235 << (image.component[0].depth - 8)
                                         : (1 << image.component[0].depth) - 1;
  }

  /// Random bytes in all rows, random samples from black to white.
  void fill(unsigned seed) {
    std::mt19937 random(seed);
    for (int p = 0; p < image.planes; ++p)
      for (int y = 0; y < image.plane[p].rows; ++y)
        for (std::size_t i = 0; i < image.plane[p].row_bytes; ++i)
          image.plane[p].data[y * image.plane[p].stride + std::ptrdiff_t(i)] = std::uint8_t(random());
    std::uniform_int_distribution<int> sample(black(), white());
    for (int c = 0; c < image.components; ++c)
      for (int y = 0; y < rows(c); ++y)
        for (int x = 0; x < columns(c); ++x) set(c, x, y, sample(random));
  }

  /// The bytes of all rows, one after another.
  std::vector<std::uint8_t> bytes() const {
    std::vector<std::uint8_t> all;
    for (int p = 0; p < image.planes; ++p)
      for (int y = 0; y < image.plane[p].rows; ++y) {
        const std::uint8_t* row = image.plane[p].data + y * image.plane[p].stride;
        all.insert(all.end(), row, row + image.plane[p].row_bytes);
      }
    return all;
  }

  /// Whether all that lies between the rows is as it was.
  bool is_intact_around_rows() {
    const std::vector<std::uint8_t> before = memory_;
    for (int p = 0; p < image.planes; ++p)
      for (int y = 0; y < image.plane[p].rows; ++y)
        std::memset(image.plane[p].data + y * image.plane[p].stride, sentinel, image.plane[p].row_bytes);
    const bool intact = memory_ == std::vector<std::uint8_t>(memory_.size(), sentinel);
    memory_ = before;  // same size: the planes' pointers stay valid
    return intact;
  }

  Image image;

 private:
  static constexpr std::size_t gap = 13;  // odd: rows of 16-bit samples aren't aligned
  std::vector<std::uint8_t> memory_;
};

}  // namespace digfusion
