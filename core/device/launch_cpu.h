// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How the kernels' bodies run on the CPU: the twin of launch_cuda.h, statement for statement the same bodies.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

#include "core/device/host_device.h"

namespace digfusion {

/// What a block of threads of a GPU does together; here one thread does it all.
struct CpuBlock {
  std::uint32_t counter[256];
  std::uint32_t word[4];

  /// function(i) for i in 0..n-1, all done on return.
  template <class Function>
  void for_all(int n, const Function& function) {
    for (int i = 0; i < n; ++i) function(i);
  }
  template <class Function>
  void once(const Function& function) {
    function();
  }
};

struct CpuLauncher {
  using Block = CpuBlock;

  /// body(x, y, z) for all.
  template <class Body>
  void map(int width, int height, int depth, const Body& body) const {
    const std::int64_t rows = std::int64_t{height} * depth;
    at::parallel_for(0, rows, std::max<std::int64_t>(1, (1 << 14) / std::max(width, 1)),
                     [&](std::int64_t begin, std::int64_t end) {
                       for (std::int64_t row = begin; row < end; ++row)
                         for (int x = 0; x < width; ++x) body(x, int(row % height), int(row / height));
                     });
  }

  /// finish(item, Σ_i term(item, i)) for each item, i in 0..count-1.
  template <class Term, class Finish>
  void reduce(int items, int count, const Term& term, const Finish& finish) const {
    for (int item = 0; item < items; ++item) {
      Sums total{0, 0};
      for (int i = 0; i < count; ++i) {
        const Sums one = term(item, i);
        total.first += one.first;
        total.second += one.second;
      }
      finish(item, total);
    }
  }

  /// body(item, block), a block of threads for each item.
  template <class Body>
  void blocks(int items, const Body& body) const {
    for (int item = 0; item < items; ++item) {
      CpuBlock block;
      body(item, block);
    }
  }
};

}  // namespace digfusion
