// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How long a computation of LibTorch takes.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/interface/stages.h"

namespace digfusion::tools {

/// Median milliseconds of calls of `evaluate`, which returns a tensor, over `seconds` and three calls at
/// least.
template <class Function>
double median_ms(double seconds, const Function& evaluate) {
  // Waiting for the result's first number is waiting for a GPU, too.
  const auto run = [&] { (void)evaluate().as_strided({}, {}).template item<float>(); };
  run();  // chooses kernels, packs weights
  std::vector<double> times;
  Stopwatch watch;
  for (double total = 0; total < seconds * 1e3 || times.size() < 3; total += times.back()) {
    run();
    times.push_back(watch.lap());
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

}  // namespace digfusion::tools
