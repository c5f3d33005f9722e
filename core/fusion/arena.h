// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <ATen/ATen.h>

#include <cstddef>
#include <cstdint>

namespace digfusion {

/// Hands out parts of one buffer: first to no one, to learn its size, then in earnest.
class Arena {
 public:
  explicit Arena(std::byte* base) : base_(base) {}
  template <class T>
  T* take(std::int64_t count) {
    used_ = (used_ + 255) / 256 * 256;
    T* const result = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    used_ += static_cast<std::size_t>(count) * sizeof(T);
    return result;
  }
  std::size_t used() const { return used_ + 256; }

 private:
  std::byte* base_;
  std::size_t used_ = 0;
};

inline std::byte* bytes_of(const at::Tensor& tensor) {
  return static_cast<std::byte*>(tensor.mutable_data_ptr());
}

}  // namespace digfusion
