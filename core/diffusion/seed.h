// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>

namespace digfusion {

/// splitmix64's last step: every bit of `z` reaches every bit of the result, so that neighbouring seeds give
/// unrelated generators.
constexpr std::uint64_t mix_seed(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace digfusion
