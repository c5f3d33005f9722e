// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/noise_fields.h"

#include <ATen/CPUGeneratorImpl.h>

#include "core/diffusion/seed.h"

namespace digfusion {

NoiseField seeded_noise(std::int64_t seed, at::Device device) {
  return [=](std::int64_t number, std::int64_t height, std::int64_t width) {
    const std::uint64_t both = static_cast<std::uint64_t>(seed) * 0x9e3779b97f4a7c15ULL +
                               static_cast<std::uint64_t>(number) * 0xd1b54a32d192ed03ULL;
    // ATen's generator takes 32 bits of its seed: mixing brings all bits of both numbers into them.
    return at::randn({1, 1, height, width}, at::detail::createCPUGenerator(mix_seed(both) & 0xffffffff))
        .to(device);
  };
}

NoiseField NoiseFields::of(std::int64_t seed) {
  return [this, seed](std::int64_t number, std::int64_t height, std::int64_t width) {
    return field(seed, number, height, width);
  };
}

at::Tensor NoiseFields::kept(std::int64_t seed, std::int64_t number, std::int64_t height,
                             std::int64_t width) const {
  if (seed != seed_ || height != height_ || width != width_) return {};
  const auto found = fields_.find(number);
  return found == fields_.end() ? at::Tensor() : found->second;
}

at::Tensor NoiseFields::field(std::int64_t seed, std::int64_t number, std::int64_t height,
                              std::int64_t width) {
  if (at::Tensor known = kept(seed, number, height, width); known.defined()) return known;
  if (seed != seed_ || height != height_ || width != width_) {
    fields_.clear();
    ++forgotten_;
    bytes_ = 0;
    all_kept_ = true;
    seed_ = seed, height_ = height, width_ = width;
  }
  at::Tensor drawn = seeded_noise(seed, device_)(number, height, width);
  if (const std::size_t size = drawn.nbytes(); bytes_ + size <= most_bytes_) {
    bytes_ += size;
    fields_.emplace(number, drawn);
  } else {
    all_kept_ = false;  // the first ones stay: the next frame asks for them in the same order
  }
  return drawn;
}

}  // namespace digfusion
