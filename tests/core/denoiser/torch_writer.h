// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Files as torch.save writes them, made byte by byte, so that tests can make bad ones too.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/denoiser/stored_tensor.h"

namespace digfusion {

/// A pickle of protocol 2, operation by operation.
class PickleWriter {
 public:
  PickleWriter() : bytes("\x80\x02") {}
  PickleWriter& raw(const std::string& operations) {
    bytes += operations;
    return *this;
  }
  PickleWriter& integer(std::int64_t number);
  PickleWriter& text(const std::string& value);
  PickleWriter& global(const std::string& module, const std::string& name);
  /// The persistent id of a storage.
  PickleWriter& storage(const std::string& type, const std::string& key, std::int64_t count);
  /// A tuple of numbers.
  PickleWriter& tuple(const std::vector<std::int64_t>& numbers);
  /// torch._utils._rebuild_tensor_v2 of a storage.
  PickleWriter& tensor(const std::string& type, const std::string& key, std::int64_t count,
                       std::int64_t offset, const Shape& sizes, const Shape& strides);
  /// With the operation that ends it.
  std::string finished() const { return bytes + "."; }

  std::string bytes;
};

struct SavedStorage {
  std::string key;
  at::Tensor numbers;  ///< one-dimensional
};

/// A pickle and the storages that it names.
struct Saved {
  std::string pickle;
  std::vector<SavedStorage> storages;
};

/// An OrderedDict of tensors, each with a storage of its own.
Saved saved(const TensorMap& tensors);
/// The name of a storage's type: "FloatStorage".
std::string storage_type(at::ScalarType type);

/// A zip archive of these records, uncompressed.
std::string zip_file(const std::vector<std::pair<std::string, std::string>>& records);
std::string torch_zip(const Saved& saved, const std::string& byte_order = "little");
std::string torch_legacy(const Saved& saved);

}  // namespace digfusion
