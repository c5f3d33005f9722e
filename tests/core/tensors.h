// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tensors of the tests: random ones from a seed, and their numbers in float64 for plain loops.
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cstdint>
#include <vector>

namespace digfusion {

/// Standard normal float32.
inline at::Tensor random_tensor(at::IntArrayRef shape, std::uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed));
}

/// Smooth pictures on -1..1 with some texture, [count,1,height,width].
inline at::Tensor random_pictures(std::int64_t count, std::int64_t height, std::int64_t width,
                                  std::uint64_t seed) {
  const at::Tensor coarse = random_tensor({count, 1, 4, 4}, seed);
  const at::Tensor smooth = at::upsample_bilinear2d(coarse, {height, width}, false);
  return (smooth + random_tensor({count, 1, height, width}, seed + 1) * 0.2).tanh();
}

/// All numbers of a tensor in row-major order.
inline std::vector<double> numbers(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().to(at::kCPU, at::kDouble).contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

}  // namespace digfusion
