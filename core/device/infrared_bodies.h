// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Bodies that bring an infrared picture to the visible picture's grid: scaled into its placement, or sampled
// where a registration says. core/image/fit.cpp and remap.cpp are the definition.
#pragma once

#include "core/device/gradient_stream.h"

namespace digfusion {

/// Scaling along an axis: position i is Σ_j weight[i·most + j] · value(first[i] + j), j in 0..count[i]-1.
struct ScalingAxis {
  const int *first, *count;
  const float* weight;  ///< null: the axis stays as it is
  int most;
};

/// One infrared picture of a frame, and where it goes. Everything in it stays from frame to frame; the
/// picture itself is arguments->views.infrared[source].
struct InfraredPlacing {
  const FrameArguments* arguments;
  int source;
  Extent2 visible, from;  ///< the visible picture's grid, and the infrared picture's own
  Extent2 scaled;         ///< `from` after scaling
  int left, top;          ///< of `scaled` in `visible`; may be negative. Without `places`
  ScalingAxis columns, rows;
  int skipped, shown;   ///< columns of `scaled` that aren't needed, from the left, and that are
  float* middle;        ///< [from.height, shown]: scaled along its rows
  float* small;         ///< [scaled], with `places`
  const float* places;  ///< [visible,2] as RemapTable::places(); or null
  const float* share;   ///< [visible] of the infrared picture; null: 1 everywhere
  float* plane;         ///< [visible], the result
};

template <class Value>
DIGFUSION_HD float scaled_along(const Value& value, const ScalingAxis& axis, int i) {
  const int first = axis.first[i], count = axis.count[i];
  const float* weight = axis.weight + std::int64_t(i) * axis.most;
  float sum = 0;
  for (int j = 0; j < count; ++j) sum += weight[j] * value(first + j);
  return sum;
}

/// Number x of `middle`'s row y.
DIGFUSION_HD inline float widened_at(const InfraredPlacing& p, int x, int y) {
  const PictureView& picture = p.arguments->views.infrared[p.source];
  return scaled_along([&](int i) { return luma_at(picture, i, y); }, p.columns, x + p.skipped);
}

/// Row y of the scaled picture, in `middle`'s column x.
DIGFUSION_HD inline float heightened_at(const InfraredPlacing& p, int x, int y) {
  const MapValue middle{p.middle, p.shown};
  return scaled_along([&](int j) { return middle(j, x); }, p.rows, y);
}

/// The visible pixel's infrared value, or its own where the placement doesn't reach.
DIGFUSION_HD inline float fitted_at(const InfraredPlacing& p, int x, int y) {
  const FrameViews& views = p.arguments->views;
  const int column = x - p.left, row = y - p.top;
  if (column < 0 || row < 0 || column >= p.scaled.width || row >= p.scaled.height)
    return luma_at(views.source[0], x, y);
  return p.columns.weight ? heightened_at(p, column - p.skipped, row)
                          : luma_at(views.infrared[p.source], column, row);
}

/// Bilinear between pixels, as at::grid_sampler() with its border and aligned corners.
template <class Value>
DIGFUSION_HD float sampled_at(const Value& value, Extent2 e, float x, float y) {
  const float right = static_cast<float>(e.width - 1), bottom = static_cast<float>(e.height - 1);
  const float column = within((x + 1) * (right / 2), 0.f, right),
              row = within((y + 1) * (bottom / 2), 0.f, bottom);
  const int i = static_cast<int>(column), j = static_cast<int>(row);
  const int i1 = smaller(i + 1, e.width - 1), j1 = smaller(j + 1, e.height - 1);
  const float w = column - static_cast<float>(i), n = row - static_cast<float>(j);
  return value(j, i) * ((1 - w) * (1 - n)) + value(j, i1) * (w * (1 - n)) + value(j1, i) * ((1 - w) * n) +
         value(j1, i1) * (w * n);
}

/// Where the registration says, over the visible pixel.
DIGFUSION_HD inline float registered_at(const InfraredPlacing& p, int x, int y) {
  const FrameViews& views = p.arguments->views;
  const std::int64_t at = std::int64_t(y) * p.visible.width + x;
  const float share = p.share ? p.share[at] : 1.f;
  const float own = share < 1 ? luma_at(views.source[0], x, y) : 0.f;
  if (!(share > 0)) return own;
  const float px = p.places[2 * at], py = p.places[2 * at + 1];
  const PictureView& picture = views.infrared[p.source];
  const MapValue small{p.small, p.scaled.width};
  const float value = p.columns.weight
                          ? sampled_at(small, p.scaled, px, py)
                          : sampled_at([&](int j, int i) { return luma_at(picture, i, j); }, p.from, px, py);
  return share < 1 ? own + share * (value - own) : value;
}

}  // namespace digfusion
