// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The noise of one stream. Every frame asks for the same fields, so they are drawn once and stay on the
// device: drawing one of 640×512 takes a CPU milliseconds, and bringing it to a GPU makes the frame wait.
#pragma once

#include <ATen/ATen.h>

#include <cstddef>
#include <cstdint>
#include <map>

#include "core/fusion/information_gain.h"

namespace digfusion {

/// Standard normal fields from a CPU generator, so that every device sees the same noise. Draws at each call.
NoiseField seeded_noise(std::int64_t seed, at::Device device);

/// The same fields, kept as far as `most_bytes` go; those of one seed and size, whose change forgets all.
/// Nobody may write to them. Not thread-safe.
class NoiseFields {
 public:
  /// 256 MB of a GPU's memory, 64 MB of the machine's.
  explicit NoiseFields(at::Device device)
      : NoiseFields(device, (std::size_t{1} << 20) * (device.is_cpu() ? 64 : 256)) {}
  NoiseFields(at::Device device, std::size_t most_bytes) : device_(device), most_bytes_(most_bytes) {}

  /// Refers to this object.
  NoiseField of(std::int64_t seed);
  /// What is kept already, without drawing: undefined where it isn't.
  at::Tensor kept(std::int64_t seed, std::int64_t number, std::int64_t height, std::int64_t width) const;
  /// Whether every field that was asked for since the last change of seed or size is kept.
  bool all_kept() const { return all_kept_; }
  std::size_t bytes() const { return bytes_; }
  /// How often all have been forgotten.
  std::uint64_t forgotten() const { return forgotten_; }

 private:
  at::Tensor field(std::int64_t seed, std::int64_t number, std::int64_t height, std::int64_t width);

  at::Device device_;
  std::size_t most_bytes_, bytes_ = 0;
  std::int64_t seed_ = 0, height_ = 0, width_ = 0;
  bool all_kept_ = true;
  std::uint64_t forgotten_ = 0;
  std::map<std::int64_t, at::Tensor> fields_;
};

}  // namespace digfusion
