// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Pictures in several layouts, in the host's memory or on a GPU, for `selftest` and `bench`.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/interface/interface.h"

namespace digfusion::tools {

/// What of a layout the checks need; samples lie as GstVideoFormatInfo says.
struct PictureLayout {
  const char* name;
  bool is_rgb;
  int depth, shift, planes, components;
  struct Samples {
    int plane, offset, pixel_stride, sub;  ///< log2 of the subsampling in both directions
  } samples[4];
};
std::span<const PictureLayout> picture_layouts();
const PictureLayout& picture_layout(const std::string& name);

/// Owns its bytes; rows have a pitch of their own.
class DevicePicture {
 public:
  /// `pitch`: bytes behind each row.
  DevicePicture(const PictureLayout& layout, int width, int height, int pitch, at::Device device);
  /// Luma from gray levels on 0..255, rows without padding; chroma and alpha from `seed`.
  void fill(std::span<const std::uint8_t> gray, std::uint64_t seed);
  const Image& image() const { return image_; }
  /// All bytes, in the host's memory.
  std::vector<std::uint8_t> bytes() const;

 private:
  at::Tensor memory_;
  Image image_;
};

}  // namespace digfusion::tools
