// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which device computes, in what precision, with how many threads. Decided by what the machine can do at run
// time.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <string>
#include <string_view>

#include "core/parameters/parameters.h"

namespace digfusion {

struct DeviceChoice {
  at::Device device = at::kCPU;
  at::ScalarType network = at::kFloat;  ///< dtype of the networks; everything around them is float32
};

/// "auto": the first CUDA device that computes, else the CPU (`warn` is told when a GPU is there but doesn't
/// work); "cpu"; "cuda" or "cuda:N". Throws Error(device) saying what was found for a device that isn't
/// there, and Error(invalid_argument) for other text or a precision that the device doesn't compute.
DeviceChoice choose_device(std::string_view text, Precision precision,
                           const std::function<void(const std::string&)>& warn);

/// True where bfloat16 products run at full rate. On other CPUs bfloat16 is emulated, slower than float32.
bool cpu_has_bfloat16();

/// Threads for ATen's loops in the calling thread; 0: one for each core this process may use.
void use_threads(int threads);

const char* name_of(at::ScalarType dtype);

}  // namespace digfusion
