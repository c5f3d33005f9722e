// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A picture's samples as a kernel sees them: plain structs with pointers of the device. core/image/samples.h
// and luma.cpp are the definition; the CPU's loops there stay, since they are faster than these bodies.
#pragma once

#include <cstdint>

#include "core/device/host_device.h"

namespace digfusion {

inline constexpr int most_sources = 8;

/// Samples of one component: those of pixel x in row y start at data + y·stride + x·pixel_stride.
struct ChannelView {
  std::uint8_t* data;
  std::int64_t stride;
  int pixel_stride, shift;
};

/// The luma of a picture. `is_plane`: float32 numbers on -1..1 that are ready, in channel[0], rows without
/// padding. `curve`, where it isn't null: luma by sample, in the place of gain and offset; gain is then the
/// sign.
struct PictureView {
  int width, height;
  bool is_plane, is_wide, is_big_endian, is_rgb;
  ChannelView channel[3];    ///< Y alone, or R, G, B
  int weight[3];             ///< of R, G, B in luma, of 1 << 15 together
  int largest;               ///< sample
  float gain, offset;        ///< of samples to -1..1; sign included
  float to_gain, to_offset;  ///< back
  const float* curve;        ///< 65536 numbers, or null
};

/// What is copied as it is from the visible picture to the output: rows of bytes.
struct PlaneCopy {
  const std::uint8_t* from;  ///< null: zeros are written
  std::uint8_t* to;
  std::int64_t from_stride, to_stride;
  int row_bytes, rows;
};

/// All pictures of a frame. What place_infrared() brings to the visible grid is read from `infrared`;
/// `source` is then what it has made of it.
struct FrameViews {
  PictureView source[most_sources], infrared[most_sources];
  PictureView output;
  PlaneCopy copy[4];
  int copies;
};

DIGFUSION_HD inline int load_sample(const ChannelView& c, bool is_wide, bool is_big_endian, int x, int y) {
  const std::uint8_t* at = c.data + y * c.stride + std::int64_t(x) * c.pixel_stride;
  if (!is_wide) return at[0] >> c.shift;
  return (is_big_endian ? at[0] << 8 | at[1] : at[1] << 8 | at[0]) >> c.shift;  // rows needn't be aligned
}
DIGFUSION_HD inline void store_sample(const ChannelView& c, bool is_wide, int x, int y, int value) {
  std::uint8_t* at = c.data + y * c.stride + std::int64_t(x) * c.pixel_stride;
  const int bits = value << c.shift;
  at[0] = static_cast<std::uint8_t>(bits);
  if (is_wide) at[1] = static_cast<std::uint8_t>(bits >> 8);
}

DIGFUSION_HD inline int sample_at(const PictureView& p, int channel, int x, int y) {
  return load_sample(p.channel[channel], p.is_wide, p.is_big_endian, x, y);
}
DIGFUSION_HD inline void set_sample(const PictureView& p, int channel, int x, int y, int value) {
  store_sample(p.channel[channel], p.is_wide, x, y, value);
}

/// Luma of a pixel as a sample, rounded as OpenCV does.
DIGFUSION_HD inline int luma_sample(const PictureView& p, int x, int y) {
  if (!p.is_rgb) return sample_at(p, 0, x, y);
  std::int64_t sum = 1 << 14;
  for (int c = 0; c < 3; ++c) sum += std::int64_t(sample_at(p, c, x, y)) * p.weight[c];
  return static_cast<int>(sum >> 15);
}

/// Luma of a pixel on -1..1.
DIGFUSION_HD inline float luma_at(const PictureView& p, int x, int y) {
  if (p.is_plane) return reinterpret_cast<const float*>(p.channel[0].data)[std::int64_t(y) * p.width + x];
  const int sample = luma_sample(p, x, y);
  if (p.curve) return p.curve[sample] * p.gain;
  return within(static_cast<float>(sample) * p.gain + p.offset, -1.f, 1.f);
}

/// Where a pixel beyond the border is taken from: as at::reflection_pad2d() does it again and again.
DIGFUSION_HD inline int reflected(int i, int size) {
  const int period = 2 * (size - 1), place = i % period;
  return place < size ? place : period - place;
}

/// The sample of a luma on -1..1.
DIGFUSION_HD inline int luma_level(const PictureView& p, float value) {
  return within(static_cast<int>(rintf(within(value, -1.f, 1.f) * p.to_gain + p.to_offset)), 0, p.largest);
}

/// Writes the luma `value` on -1..1 of a pixel; R, G and B all change by what the luma changes.
DIGFUSION_HD inline void write_luma(const PictureView& visible, const PictureView& output, int x, int y,
                                    float value) {
  const int luma = luma_level(output, value);
  if (!output.is_rgb) {
    set_sample(output, 0, x, y, luma);
    return;
  }
  const int change = luma - luma_sample(visible, x, y);
  for (int c = 0; c < 3; ++c)
    set_sample(output, c, x, y, within(sample_at(visible, c, x, y) + change, 0, output.largest));
}

/// Four bytes of a row, in one piece where both sides are aligned.
DIGFUSION_HD inline void copy_four(const PlaneCopy& copy, int i, int y) {
  std::uint8_t* to = copy.to + y * copy.to_stride + 4 * i;
  const int bytes = copy.row_bytes - 4 * i;
  if (!copy.from) {
    for (int b = 0; b < 4 && b < bytes; ++b) to[b] = 0;
    return;
  }
  const std::uint8_t* from = copy.from + y * copy.from_stride + 4 * i;
  const auto low = reinterpret_cast<std::uintptr_t>(from) | reinterpret_cast<std::uintptr_t>(to);
  if (bytes >= 4 && low % 4 == 0) {
    *reinterpret_cast<std::uint32_t*>(to) = *reinterpret_cast<const std::uint32_t*>(from);
    return;
  }
  for (int b = 0; b < 4 && b < bytes; ++b) to[b] = from[b];
}

}  // namespace digfusion
