// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The CUDA devices as LibTorch shows them, by calls that a build without CUDA has as well.
#pragma once

#include <ATen/ATen.h>

#include <string>

namespace digfusion {

/// How many the CUDA runtime shows this process: those of CUDA_VISIBLE_DEVICES, of which one may be a MIG
/// instance. 0 without a driver, or in a build without CUDA.
int cuda_device_count();

/// What stands beside "device cuda:N isn't there": how many there are, and that `visible`, the value of
/// CUDA_VISIBLE_DEVICES or null, chose and numbered them.
std::string cuda_devices_text(int count, const char* visible);

/// Whether its tensor cores compute bfloat16 (compute capability 8.0 and more). Cards before that have
/// float16 alone.
bool cuda_has_bfloat16(at::Device device);

/// For the whole process: cuDNN tries its algorithms once for each size of picture and keeps the fastest, and
/// float32 is float32 (else its convolutions have the 10 bits of TF32).
void tune_cuda();

}  // namespace digfusion
