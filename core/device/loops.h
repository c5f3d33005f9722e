// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the plain loops over pictures have in common.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

namespace digfusion {

/// Whether loops over float32 numbers of the CPU can take it, once it is contiguous.
inline bool takes_loops(const at::Tensor& tensor) {
  return tensor.is_cpu() && tensor.scalar_type() == at::kFloat && !tensor.requires_grad();
}

/// function(begin, end) for ranges of rows of this width, in parallel where there is work enough.
template <class Function>
void for_row_ranges(std::int64_t rows, std::int64_t width, const Function& function) {
  at::parallel_for(0, rows, std::max<std::int64_t>(1, (1 << 15) / width), function);
}

}  // namespace digfusion
