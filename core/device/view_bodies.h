// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the output shows, sample by sample: parameters mode, compare, split-position and palette. Definitions:
// core/image/view.cpp, palette.cpp, colour.cpp. Pictures that are put together are made where they are read,
// so a view is one kernel.
#pragma once

#include <cstdint>

#include "core/device/gradient_bodies.h"

namespace digfusion {

/// R', G', B' on 0..1.
struct Colour {
  double part[3];
};

DIGFUSION_HD inline double mixed(double a, double b, double share) { return a + share * (b - a); }

DIGFUSION_HD inline double luma_of(const ViewSettings& v, const Colour& c) {
  return v.kr * c.part[0] + (1 - v.kr - v.kb) * c.part[1] + v.kb * c.part[2];
}
/// Cb (component 1) or Cr (2) of a colour, ±.5.
DIGFUSION_HD inline double chroma_of(const ViewSettings& v, const Colour& c, int component) {
  const double luma = luma_of(v, c);
  return component == 1 ? (c.part[2] - luma) / (2 * (1 - v.kb)) : (c.part[0] - luma) / (2 * (1 - v.kr));
}

DIGFUSION_HD inline double of_black(const ViewSettings& v, int sample) {
  return (sample - v.black) / (v.white - v.black);
}
DIGFUSION_HD inline int rounded_sample(double value, int largest) {
  return within(static_cast<int>(rint(value)), 0, largest);
}
DIGFUSION_HD inline int from_black(const ViewSettings& v, double value) {
  return rounded_sample(v.black + value * (v.white - v.black), v.component[0].largest);
}

/// A picture on -1..1 as gray or, with `part` above 0, in the palette's first `part`.
DIGFUSION_HD inline Colour colour_of(const ViewSettings& v, float gray, float part) {
  if (part == 0) {
    const double value = (gray + 1) / 2.0;
    return {{value, value, value}};
  }
  const float at = within((gray + 1) * (127.5f * part), 0.f, 255.f);
  const int low = smaller(static_cast<int>(at), 254);
  const float share = at - static_cast<float>(low);
  Colour colour;
  for (int c = 0; c < 3; ++c) {
    const float a = v.palette[low][c], b = v.palette[low + 1][c];
    colour.part[c] = (((a + share * (b - a)) / 127.5f - 1) + 1) / 2.0;
  }
  return colour;
}

DIGFUSION_HD inline float infrared_at(const GradientStream& s, int x, int y) {
  return s.planes[(std::int64_t(s.size.height) + y) * s.size.width + x];
}

/// The infrared sources' share, as a gray picture on -1..1.
DIGFUSION_HD inline float gain_at(const GradientStream& s, int x, int y) {
  return within(1 - s.weights[std::int64_t(y) * s.size.width + x], 0.f, 1.f) * 2 - 1;
}

/// How far the infrared picture stands out, 0..1.
DIGFUSION_HD inline float prominence_at(const GradientStream& s, int x, int y) {
  const Extent2 grid = s.around_grid;
  const float value = infrared_at(s, x, y),
              around = interpolated(map_of(s.around, grid, 0), grid, double(grid.height) / s.picture.height,
                                    double(grid.width) / s.picture.width, y, x);
  const float t = within((smaller(value, value - around) - .2f) / .4f, 0.f, 1.f);
  return t * t * (3 - 2 * t);
}

/// function(x, y) for the pixels of a chroma sample's block; returns how many there are.
template <class Function>
DIGFUSION_HD int for_block(const GradientStream& s, const ComponentView& c, int column, int row,
                           const Function& function) {
  const int right = smaller((column + 1) << c.w_sub, s.picture.width),
            bottom = smaller((row + 1) << c.h_sub, s.picture.height);
  int count = 0;
  for (int y = row << c.h_sub; y < bottom; ++y)
    for (int x = column << c.w_sub; x < right; ++x, ++count) function(x, y);
  return count;
}

/// A sample of a picture that is a gray one on -1..1, value(x, y), or that in colours.
template <class Value>
DIGFUSION_HD int coloured_sample(const GradientStream& s, const ViewSettings& v, int component, int column,
                                 int row, float part, const Value& value) {
  if (v.is_rgb) return from_black(v, colour_of(v, value(column, row), part).part[component]);
  if (component == 0) return from_black(v, luma_of(v, colour_of(v, value(column, row), part)));
  const ComponentView& c = v.component[component];
  double sum = 0;
  const int count = for_block(s, c, column, row, [&](int x, int y) {
    sum += chroma_of(v, colour_of(v, value(x, y), part), component);
  });
  return rounded_sample(v.neutral + 2 * v.half * sum / count, c.largest);
}

/// A sample of the fused picture; with a palette the warm parts have its colours and their own luma.
DIGFUSION_HD inline int fused_sample(const GradientStream& s, const ViewSettings& v, int component,
                                     int column, int row) {
  const FrameViews& views = s.arguments->views;
  const ComponentView& c = v.component[component];
  if (v.is_rgb || component == 0) {
    const int luma = luma_level(views.output, s.fused[std::int64_t(row) * s.size.width + column]);
    if (!v.is_rgb) return luma;
    const int change = luma - luma_sample(views.source[0], column, row);
    const auto lifted = [&](int i) {
      return within(load_sample(v.component[i].visible, v.is_wide, false, column, row) + change, 0,
                    views.output.largest);
    };
    const double share = v.part_of_chroma > 0 ? double(prominence_at(s, column, row)) : 0;
    if (!(share > 0)) return lifted(component);
    Colour now;
    for (int i = 0; i < 3; ++i) now.part[i] = of_black(v, lifted(i));
    const Colour colour = colour_of(v, infrared_at(s, column, row), v.part_of_chroma);
    const double lift = luma_of(v, now) - luma_of(v, colour);
    return from_black(v, mixed(now.part[component], colour.part[component] + lift, share));
  }
  const int sample = load_sample(c.visible, v.is_wide, false, column, row);
  if (!(v.part_of_chroma > 0)) return sample;
  double sum = 0, share = 0;
  const int count = for_block(s, c, column, row, [&](int x, int y) {
    const double here = prominence_at(s, x, y);
    if (!(here > 0)) return;
    sum += here * chroma_of(v, colour_of(v, infrared_at(s, x, y), v.part_of_chroma), component);
    share += here;
  });
  if (share == 0) return sample;
  return rounded_sample(mixed(sample, v.neutral, share / count) + 2 * v.half * sum / count, c.largest);
}

DIGFUSION_HD inline int panel_sample(const GradientStream& s, const ViewSettings& v, Panel panel,
                                     int component, int column, int row) {
  const bool is_alpha = component == 3 || (!v.is_rgb && v.components < 3 && component > 0);
  if (panel == Panel::visible || is_alpha)
    return load_sample(v.component[component].visible, v.is_wide, false, column, row);
  if (panel == Panel::fused) return fused_sample(s, v, component, column, row);
  if (panel == Panel::gain)
    return coloured_sample(s, v, component, column, row, 0.f, [&](int x, int y) { return gain_at(s, x, y); });
  return coloured_sample(s, v, component, column, row, v.has_palette ? 1.f : 0.f,
                         [&](int x, int y) { return infrared_at(s, x, y); });
}

/// The mean of value(x, y) over cell (column, row) of `to` over a map of `from`, each number by how much of
/// it lies inside: as OpenCV's INTER_AREA does it.
template <class Value>
DIGFUSION_HD double area_mean(const Value& value, Extent2 from, Extent2 to, int column, int row) {
  const double wide = double(from.width) / to.width, high = double(from.height) / to.height;
  const double left = column * wide, right = smaller(left + wide, double(from.width)), top = row * high,
               bottom = smaller(top + high, double(from.height));
  double sum = 0, area = 0;
  for (int y = static_cast<int>(top); y < bottom; ++y)
    for (int x = static_cast<int>(left); x < right; ++x) {
      const double part = (smaller(x + 1., right) - larger(double(x), left)) *
                          (smaller(y + 1., bottom) - larger(double(y), top));
      if (part < 1e-6) continue;  // a last digit of the edges
      sum += part * value(x, y);
      area += part;
    }
  return sum / area;
}

/// Sample (column, row) of a component of the output.
DIGFUSION_HD inline int view_sample(const GradientStream& s, const ViewSettings& v, int component, int column,
                                    int row) {
  const ComponentView& c = v.component[component];
  const int x = column << c.w_sub, y = row << c.h_sub;
  const auto of = [&](Panel panel) { return panel_sample(s, v, panel, component, column, row); };
  switch (v.arrangement) {
    case Arrangement::split:
      return of(x < v.left ? v.first : v.second);
    case Arrangement::checker:
      return of((x / v.wide + y / v.high) % 2 == 0 ? v.first : v.second);
    case Arrangement::beside: {
      const int width = s.picture.width, block = 1 << c.w_sub;
      const auto at = [&](int pixel) {
        return pixel < width ? panel_sample(s, v, v.first, component, pixel >> c.w_sub, row)
                             : panel_sample(s, v, v.second, component, (pixel - width) >> c.w_sub, row);
      };
      if (width % block == 0) return at(x);
      const int end = smaller(x + block, 2 * width);  // a block may hold a pixel of each
      int sum = 0;
      for (int pixel = x; pixel < end; ++pixel) sum += at(pixel);
      return (sum + (end - x) / 2) / (end - x);
    }
    case Arrangement::corner: {
      const int left = v.left >> c.w_sub;
      const Extent2 small{(v.high + (1 << c.h_sub) - 1) >> c.h_sub,
                          ((v.left + v.wide + (1 << c.w_sub) - 1) >> c.w_sub) - left};
      if (column >= left && column < left + small.width && row < small.height)
        return rounded_sample(
            area_mean([&](int i, int j) { return panel_sample(s, v, v.second, component, i, j); },
                      {c.rows, c.columns}, small, column - left, row),
            c.largest);
      return of(v.first);
    }
    case Arrangement::one:
      break;
  }
  return of(v.first);
}

// --- the surroundings of a palette's prominence

/// Where a cell beyond the border is taken from: cba|abc|cba, again and again.
DIGFUSION_HD inline int mirrored(int i, int size) {
  const int period = 2 * size, place = (i % period + period) % period;
  return place < size ? place : period - 1 - place;
}

/// Gaussian mean along an axis of the coarse grid, value(i) for i in 0..size-1. σ in cells; as far as
/// OpenCV's window of float32 goes.
template <class Value>
DIGFUSION_HD float wide_mean(const Value& value, int size, double sigma, int i) {
  const int radius = (static_cast<int>(rint(sigma * 8 + 1)) | 1) / 2;
  double sum = 0, weights = 0;
  for (int j = -radius; j <= radius; ++j) {
    const double weight = exp(-.5 * j * j / (sigma * sigma));
    sum += weight * value(mirrored(i + j, size));
    weights += weight;
  }
  return static_cast<float>(sum / weights);
}

}  // namespace digfusion
