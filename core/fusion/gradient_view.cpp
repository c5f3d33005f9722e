// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/gradient_view.h"

#include <algorithm>

#include "core/image/palette.h"
#include "core/image/samples.h"
#include "core/image/view.h"

namespace digfusion {

ViewKind view_kind(const Parameters& p) {
  if (p.palette != Palette::none) return ViewKind::palette;
  return p.mode == View::fused ? ViewKind::fused : ViewKind::view;
}

bool has_view_kernel(const Parameters& p) { return highlight_of(p).unit == Highlight::Unit::none; }

ViewExtent view_extent(const Image& output) {
  ViewExtent extent{output.planes, 0, 0, output.components, output.width, output.height};
  for (int p = 0; p < output.planes; ++p) {
    extent.row_bytes = std::max(extent.row_bytes, static_cast<int>(output.plane[p].row_bytes));
    extent.plane_rows = std::max(extent.plane_rows, output.plane[p].rows);
  }
  return extent;
}

ViewSettings view_settings(const Parameters& p, const Image& visible, const Image& output) {
  ViewSettings v{};
  const ViewLayout layout = layout_of(p, visible);
  v.arrangement = layout.arrangement, v.first = layout.first, v.second = layout.second;
  v.left = layout.left, v.wide = layout.wide, v.high = layout.high;
  v.components = visible.components;
  v.is_rgb = visible.is_rgb;
  v.is_wide = visible.component[0].depth + visible.component[0].shift > 8;
  const auto channel = [](const Image& image, const Component& c) {
    const Plane& plane = image.plane[c.plane];
    return ChannelView{plane.data + c.offset, plane.stride, c.pixel_stride, c.shift};
  };
  for (int c = 0; c < visible.components; ++c) {
    const Component& from = visible.component[c];
    const auto samples = [](int pixels, int sub) { return (pixels + (1 << sub) - 1) >> sub; };
    v.component[c] = {channel(visible, from),
                      channel(output, output.component[c]),
                      from.w_sub,
                      from.h_sub,
                      samples(visible.width, from.w_sub),
                      samples(visible.height, from.h_sub),
                      samples(output.width, from.w_sub),
                      (1 << from.depth) - 1};
  }
  const LumaCoefficients k = luma_coefficients(output.matrix);
  v.kr = k.r, v.kb = k.b;
  const int depth = output.component[0].depth;
  const Scale scale = scale_of(depth, output.range);
  v.black = scale.black, v.white = scale.white;
  const ChromaScale chroma = chroma_scale(depth, output.range);
  v.neutral = chroma.neutral, v.half = chroma.half;
  v.has_palette = p.palette != Palette::none;
  if (v.has_palette) {
    v.part_of_chroma = static_cast<float>(last_colour(p.palette));
    const PaletteTable& table = palette_table(p.palette);
    for (std::size_t i = 0; i < table.size(); ++i) std::copy(table[i].begin(), table[i].end(), v.palette[i]);
  }
  return v;
}

}  // namespace digfusion
