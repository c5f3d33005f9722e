// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tensors where they lie in a file, read one at a time: a network of gigabytes is brought to its device and
// precision without ever being in memory twice.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/denoiser/mapped_file.h"

namespace digfusion {

using Shape = std::vector<std::int64_t>;
using TensorMap = std::map<std::string, at::Tensor>;

struct StoredTensor {
  std::shared_ptr<const MappedFile> file;
  std::uint64_t position = 0;  ///< of its first number, in bytes
  at::ScalarType type = at::kFloat;
  Shape sizes, strides;  ///< strides in numbers; all that they reach was seen to lie in the file

  std::int64_t numel() const;
  std::uint64_t bytes() const { return static_cast<std::uint64_t>(numel()) * c10::elementSize(type); }
  /// The file's memory as a tensor, or a copy where its numbers aren't aligned. Keeps the file mapped; the
  /// pages go when the tensor does. Throws Error(model) when the file has been cut short meanwhile.
  at::Tensor load() const;
};

using StoredTensors = std::map<std::string, StoredTensor>;

/// Strides of a contiguous tensor. The sizes' product must not overflow.
Shape contiguous_strides(const Shape& sizes);

/// Whether all numbers are. Takes little memory for a tensor of any size.
bool all_finite(const at::Tensor& tensor);

/// Reads every number once. Throws Error(model) naming the first tensor that holds NaN or infinity, and when
/// the tensors have more than twice the file's bytes (those that share a storage would).
void check_numbers(const StoredTensors& tensors, const MappedFile& file);

/// Throws the Error(model) for numbers that a conversion to `type` made infinite.
[[noreturn]] void refuse_range(const StoredTensor& tensor, const std::string& name, at::ScalarType type);

}  // namespace digfusion
