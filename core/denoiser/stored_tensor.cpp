// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/stored_tensor.h"

#include <algorithm>
#include <cstring>

#include "core/device/device.h"

namespace digfusion {
namespace {

/// Whether no number has its exponent all ones, as NaN and infinity have.
template <class Bits>
bool no_exponent_of_ones(const Bits* numbers, std::size_t count, Bits exponent) {
  constexpr std::size_t at_once = 4096;  // without a branch: compilers make vector code of it
  for (std::size_t begin = 0; begin < count; begin += at_once) {
    const std::size_t end = std::min(begin + at_once, count);
    unsigned found = 0;
    for (std::size_t i = begin; i < end; ++i) found |= (numbers[i] & exponent) == exponent;
    if (found) return false;
  }
  return true;
}

}  // namespace

std::int64_t StoredTensor::numel() const {
  std::int64_t count = 1;
  for (const std::int64_t size : sizes) count *= size;
  return count;
}

at::Tensor StoredTensor::load() const {
  const auto options = at::TensorOptions().dtype(type);
  if (numel() == 0) return at::empty(sizes, options);
  std::int64_t last = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) last += (sizes[i] - 1) * strides[i];
  const std::uint64_t element = c10::elementSize(type),
                      length = static_cast<std::uint64_t>(last + 1) * element;
  const std::span<const std::byte> range = file->bytes(position, length);
  if (reinterpret_cast<std::uintptr_t>(range.data()) % element != 0) {
    const at::Tensor copy = at::empty({last + 1}, options);
    std::memcpy(copy.data_ptr(), range.data(), length);
    file->let_go(position, length);
    return copy.as_strided(sizes, strides);
  }
  return at::from_blob(
      const_cast<std::byte*>(range.data()), sizes, strides,
      [keeper = file, begin = position, length](void*) { keeper->let_go(begin, length); }, options);
}

Shape contiguous_strides(const Shape& sizes) {
  Shape strides(sizes.size());
  std::int64_t stride = 1;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= std::max<std::int64_t>(sizes[i], 1);
  }
  return strides;
}

bool all_finite(const at::Tensor& tensor) {
  if (tensor.numel() == 0 || !at::isFloatingType(tensor.scalar_type())) return true;
  // Far faster than ATen's isfinite(), and every number of gigabytes is looked at.
  const at::Tensor dense =
      tensor.is_cpu() && tensor.is_non_overlapping_and_dense() ? tensor : tensor.cpu().contiguous();
  const auto count = static_cast<std::size_t>(dense.numel());
  switch (dense.scalar_type()) {
    case at::kFloat:
      return no_exponent_of_ones(static_cast<const std::uint32_t*>(dense.const_data_ptr()), count,
                                 std::uint32_t{0x7f800000});
    case at::kDouble:
      return no_exponent_of_ones(static_cast<const std::uint64_t*>(dense.const_data_ptr()), count,
                                 std::uint64_t{0x7ff} << 52);
    case at::kHalf:
      return no_exponent_of_ones(static_cast<const std::uint16_t*>(dense.const_data_ptr()), count,
                                 std::uint16_t{0x7c00});
    case at::kBFloat16:
      return no_exponent_of_ones(static_cast<const std::uint16_t*>(dense.const_data_ptr()), count,
                                 std::uint16_t{0x7f80});
    default:
      return at::isfinite(dense).all().item<bool>();
  }
}

void check_numbers(const StoredTensors& tensors, const MappedFile& file) {
  std::uint64_t total = 0;
  for (const auto& [name, tensor] : tensors) total += std::min(tensor.bytes(), file.size());
  if (total / 2 > file.size())
    file.refuse("its tensors share storages and would need far more memory than it has bytes");
  for (const auto& [name, tensor] : tensors)
    if (!all_finite(tensor.load()))
      file.refuse("tensor \"" + name + "\" holds NaN or infinity: training diverged, or the file is damaged");
}

void refuse_range(const StoredTensor& tensor, const std::string& name, at::ScalarType type) {
  tensor.file->refuse("tensor \"" + name + "\" has numbers beyond the range of " + name_of(type) +
                      "; use another precision");
}

}  // namespace digfusion
