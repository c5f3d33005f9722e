// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/device/cuda_devices.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/DeviceGuard.h>

namespace digfusion {

int cuda_device_count() {
  return at::globalContext().hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0;
}

std::string cuda_devices_text(int count, const char* visible) {
  const std::string chosen = visible ? "CUDA_VISIBLE_DEVICES=" + std::string(visible) : "";
  if (count == 0)
    return "no CUDA device found" + (visible ? " with " + chosen : "") +
           "; check the NVIDIA driver with nvidia-smi -L, or use device=cpu";
  std::string text = std::to_string(count) + " CUDA device" + (count == 1 ? "" : "s") + " found";
  if (visible) text += " with " + chosen + ", and they are counted in that order";
  text += count == 1 ? ": give cuda:0" : ": give cuda:0 to cuda:" + std::to_string(count - 1);
  return text + ", or have more shown with CUDA_VISIBLE_DEVICES (of MIG instances a process sees one)";
}

bool cuda_has_bfloat16(at::Device device) {
  const c10::DeviceGuard guard(device);  // the question is of the current device
  return at::detail::getCUDAHooks().supportsBFloat16ConvolutionWithCuDNNv8();
}

void tune_cuda() {
  at::globalContext().setBenchmarkCuDNN(true);
  at::globalContext().setAllowTF32CuDNN(false);
}

}  // namespace digfusion
