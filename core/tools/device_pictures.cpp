// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/device_pictures.h"

#include <algorithm>
#include <random>
#include <stdexcept>

namespace digfusion::tools {
namespace {

constexpr PictureLayout layouts[] = {
    {"I420", false, 8, 0, 3, 3, {{0, 0, 1, 0}, {1, 0, 1, 1}, {2, 0, 1, 1}}},
    {"NV12", false, 8, 0, 2, 3, {{0, 0, 1, 0}, {1, 0, 2, 1}, {1, 1, 2, 1}}},
    {"GRAY8", false, 8, 0, 1, 1, {{0, 0, 1, 0}}},
    {"GRAY16_LE", false, 16, 0, 1, 1, {{0, 0, 2, 0}}},
    {"P010_10LE", false, 10, 6, 2, 3, {{0, 0, 2, 0}, {1, 0, 4, 1}, {1, 2, 4, 1}}},
    {"Y444", false, 8, 0, 3, 3, {{0, 0, 1, 0}, {1, 0, 1, 0}, {2, 0, 1, 0}}},
    {"RGB", true, 8, 0, 1, 3, {{0, 0, 3, 0}, {0, 1, 3, 0}, {0, 2, 3, 0}}},
    {"RGBA", true, 8, 0, 1, 4, {{0, 0, 4, 0}, {0, 1, 4, 0}, {0, 2, 4, 0}, {0, 3, 4, 0}}},
};

}  // namespace

std::span<const PictureLayout> picture_layouts() { return layouts; }

const PictureLayout& picture_layout(const std::string& name) {
  for (const PictureLayout& layout : layouts)
    if (name == layout.name) return layout;
  throw std::out_of_range(name);
}

DevicePicture::DevicePicture(const PictureLayout& layout, int width, int height, int pitch,
                             at::Device device) {
  image_.width = width;
  image_.height = height;
  image_.is_rgb = layout.is_rgb;
  image_.matrix = layout.is_rgb ? Matrix::rgb : Matrix::bt601;
  image_.components = layout.components;
  image_.planes = layout.planes;
  image_.memory = device.is_cuda() ? Memory::cuda : Memory::host;
  image_.device = device.is_cuda() ? device.index() : 0;
  for (int c = 0; c < layout.components; ++c) {
    const PictureLayout::Samples& s = layout.samples[c];
    image_.component[c] = {s.plane, s.offset, s.pixel_stride, layout.depth, layout.shift, s.sub, s.sub};
    const int round = (1 << s.sub) - 1;
    Plane& plane = image_.plane[s.plane];
    plane.rows = (height + round) >> s.sub;
    plane.row_bytes =
        std::max(plane.row_bytes, std::size_t((width + round) >> s.sub) * std::size_t(s.pixel_stride));
    plane.stride = std::ptrdiff_t(plane.row_bytes) + pitch;
  }
  std::int64_t bytes = 0;
  for (int p = 0; p < image_.planes; ++p) bytes += image_.plane[p].stride * image_.plane[p].rows;
  memory_ = at::zeros({bytes}, at::TensorOptions().dtype(at::kByte).device(device));
  auto* at = memory_.mutable_data_ptr<std::uint8_t>();
  for (int p = 0; p < image_.planes; ++p) {
    image_.plane[p].data = at;
    at += image_.plane[p].stride * image_.plane[p].rows;
  }
}

void DevicePicture::fill(std::span<const std::uint8_t> gray, std::uint64_t seed) {
  const at::Tensor host = at::empty(memory_.sizes(), at::kByte);
  auto* const bytes = host.mutable_data_ptr<std::uint8_t>();
  const auto* const first = memory_.const_data_ptr<std::uint8_t>();
  std::mt19937 random(static_cast<unsigned>(seed));
  std::generate_n(bytes, host.numel(), [&] { return static_cast<std::uint8_t>(random()); });
  for (int c = 0; c < (image_.is_rgb ? 3 : 1); ++c) {
    const Component& s = image_.component[c];
    const Plane& plane = image_.plane[s.plane];
    for (int y = 0; y < image_.height; ++y)
      for (int x = 0; x < image_.width; ++x) {
        const int level = gray[std::size_t(y) * std::size_t(image_.width) + std::size_t(x)];
        const int sample = (level << (s.depth - 8) | level >> std::max(0, 16 - s.depth)) << s.shift;
        std::uint8_t* to = bytes + (plane.data - first) + y * plane.stride + s.offset + x * s.pixel_stride;
        to[0] = static_cast<std::uint8_t>(sample);
        if (s.depth + s.shift > 8) to[1] = static_cast<std::uint8_t>(sample >> 8);
      }
  }
  memory_.copy_(host);
}

std::vector<std::uint8_t> DevicePicture::bytes() const {
  const at::Tensor host = memory_.cpu();
  const auto* const first = host.const_data_ptr<std::uint8_t>();
  return {first, first + host.numel()};
}

}  // namespace digfusion::tools
