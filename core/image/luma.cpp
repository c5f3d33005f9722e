// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/luma.h"

#include <algorithm>
#include <cmath>

#include "core/image/samples.h"
#include "core/interface/error.h"

namespace digfusion {
namespace {

int luma_of_rgb(const LumaWeights& w, int r, int g, int b) {
  return static_cast<int>((std::int64_t{r} * w.r + std::int64_t{g} * w.g + std::int64_t{b} * w.b +
                           (1 << (luma_weight_bits - 1))) >>
                          luma_weight_bits);
}

template <class Sample>
void read(const Image& image, float* out) {
  const Scale scale = scale_of(image.component[0].depth, image.range);
  const float gain = static_cast<float>(2 / (scale.white - scale.black));
  const float offset = static_cast<float>(-1 - scale.black * 2 / (scale.white - scale.black));
  const LumaWeights w = luma_weights(image.matrix);
  for_rows(image, [&](std::int64_t y) {
    float* row = out + y * image.width;
    const auto store = [&](std::int64_t x, int value) {
      row[x] = std::clamp(static_cast<float>(value) * gain + offset, -1.f, 1.f);
    };
    const Row<Sample> first(image, 0, y);
    if (!image.is_rgb) {
      for (std::int64_t x = 0; x < image.width; ++x) store(x, first.get(x));
    } else {
      const Row<Sample> green(image, 1, y), blue(image, 2, y);
      for (std::int64_t x = 0; x < image.width; ++x)
        store(x, luma_of_rgb(w, first.get(x), green.get(x), blue.get(x)));
    }
  });
}

template <class Sample>
void write(const Image& visible, const float* fused, const Image& output) {
  const Scale scale = scale_of(visible.component[0].depth, visible.range);
  const float gain = static_cast<float>((scale.white - scale.black) / 2);
  const float offset = static_cast<float>((scale.white + scale.black) / 2);
  const LumaWeights w = luma_weights(visible.matrix);
  for_rows(visible, [&](std::int64_t y) {
    const float* row = fused + y * visible.width;
    const auto value = [&](std::int64_t x) {
      return std::clamp(static_cast<int>(std::lrintf(row[x] * gain + offset)), 0, scale.largest);
    };
    const Row<Sample> first_out(output, 0, y);
    if (!visible.is_rgb) {
      for (std::int64_t x = 0; x < visible.width; ++x) first_out.set(x, value(x));
      return;
    }
    const Row<Sample> in[3] = {{visible, 0, y}, {visible, 1, y}, {visible, 2, y}};
    const Row<Sample> out[3] = {first_out, {output, 1, y}, {output, 2, y}};
    for (std::int64_t x = 0; x < visible.width; ++x) {
      const int rgb[3] = {in[0].get(x), in[1].get(x), in[2].get(x)};
      const int change = value(x) - luma_of_rgb(w, rgb[0], rgb[1], rgb[2]);
      for (int c = 0; c < 3; ++c) out[c].set(x, std::clamp(rgb[c] + change, 0, scale.largest));
    }
  });
}

}  // namespace

void check_image(const Image& image, const char* which, int across) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::invalid_argument, std::string(which) + " picture: " + what);
  };
  const int width = image.width / across;
  const int longer = std::max(width, image.height), shorter = std::min(width, image.height);
  if (shorter < 16 || longer > 4096 || shorter > 2160)
    refuse("its size " + std::to_string(image.width) + "×" + std::to_string(image.height) +
           " is outside of 16×16 to 4096×2160");
  if (!(image.pixel_aspect > 0) || !std::isfinite(image.pixel_aspect))
    refuse("its pixel aspect ratio isn't above 0");
  if (image.components < (image.is_rgb ? 3 : 1) || image.components > 4 || image.planes < 1 ||
      image.planes > 4)
    refuse("it has " + std::to_string(image.components) + " components in " + std::to_string(image.planes) +
           " planes");
  if (image.big_endian && (image.is_rgb || image.components != 1))
    refuse("only a picture of one component may be big-endian");
  for (int p = 0; p < image.planes; ++p)
    if (!image.plane[p].data) refuse("plane " + std::to_string(p) + " isn't there");
  for (int c = 0; c < image.components; ++c) {
    const Component& component = image.component[c];
    const int bytes = component.depth + component.shift > 8 ? 2 : 1;
    if (component.plane < 0 || component.plane >= image.planes || component.depth < 8 ||
        component.shift < 0 || component.depth + component.shift > 16 || component.offset < 0 ||
        component.pixel_stride < bytes || component.w_sub < 0 || component.w_sub > 4 || component.h_sub < 0 ||
        component.h_sub > 4)
      refuse("component " + std::to_string(c) + " is malformed");
    const bool is_luma = c == 0 || (image.is_rgb && c < 3);
    if (is_luma && (component.w_sub > 0 || component.h_sub > 0))
      refuse("component " + std::to_string(c) + " is subsampled");
    const Plane& plane = image.plane[component.plane];
    const int columns = (image.width + (1 << component.w_sub) - 1) >> component.w_sub;
    const int rows = (image.height + (1 << component.h_sub) - 1) >> component.h_sub;
    const auto needed =
        static_cast<std::size_t>(component.offset) +
        static_cast<std::size_t>(columns - 1) * static_cast<std::size_t>(component.pixel_stride) +
        static_cast<std::size_t>(bytes);
    if (plane.rows < rows || plane.row_bytes < needed)
      refuse("plane " + std::to_string(component.plane) + " is too small for component " + std::to_string(c));
    if (image.is_rgb &&
        (component.depth != image.component[0].depth || component.shift != image.component[0].shift))
      refuse("its components differ in depth");
  }
}

at::Tensor read_luma(const Image& image) {
  at::Tensor luma = at::empty({1, 1, image.height, image.width}, at::kFloat);
  with_sample_type(image, [&](auto sample) { read<decltype(sample)>(image, luma.data_ptr<float>()); });
  return luma;
}

void write_fused(const Image& visible, const at::Tensor& fused, const Image& output) {
  copy_planes(visible, output, visible.is_rgb ? 0 : 1);
  const at::Tensor luma = fused.to(at::kCPU).contiguous();
  with_sample_type(visible,
                   [&](auto sample) { write<decltype(sample)>(visible, luma.data_ptr<float>(), output); });
}

}  // namespace digfusion
