// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Many copies within a device's memory as one kernel: copies of their own would each cost as much as a
// kernel.
#pragma once

#include <cstdint>

#include "core/device/host_device.h"

namespace digfusion {

/// Bytes from one place to another; they don't overlap.
struct BlockCopy {
  const void* from;
  void* to;
  std::int64_t bytes;
};

/// A kernel's argument, which may have 4 KB.
struct BlockCopies {
  static constexpr int most = 64;
  int count;
  BlockCopy copy[most];
};

/// Bytes that one thread copies: 16 where all addresses and lengths are multiples of that.
inline int unit_of(const BlockCopies& copies) {
  std::uintptr_t bits = 0;
  for (int i = 0; i < copies.count; ++i) {
    const BlockCopy& c = copies.copy[i];
    bits |= reinterpret_cast<std::uintptr_t>(c.from) | reinterpret_cast<std::uintptr_t>(c.to) |
            static_cast<std::uintptr_t>(c.bytes);
  }
  return bits % 16 == 0 ? 16 : 1;
}

/// Unit `i`, where the block has one.
DIGFUSION_HD inline void copy_unit(const BlockCopy& copy, int unit, std::int64_t i) {
  if (i * unit >= copy.bytes) return;
  if (unit == 1) {
    static_cast<std::uint8_t*>(copy.to)[i] = static_cast<const std::uint8_t*>(copy.from)[i];
    return;
  }
#ifdef __CUDA_ARCH__
  static_cast<uint4*>(copy.to)[i] = static_cast<const uint4*>(copy.from)[i];
#else
  memcpy(static_cast<std::uint8_t*>(copy.to) + 16 * i, static_cast<const std::uint8_t*>(copy.from) + 16 * i,
         16);
#endif
}

}  // namespace digfusion
