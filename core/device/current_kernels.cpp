// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/device/current_kernels.h"

#include <c10/core/DeviceGuard.h>

namespace digfusion {
namespace {

thread_local KernelUse current_use = KernelUse::where_faster;
thread_local const Kernels* of_backend = nullptr;

}  // namespace

KernelUseGuard::KernelUseGuard(KernelUse use) : before_(current_use) { current_use = use; }
KernelUseGuard::~KernelUseGuard() { current_use = before_; }

BackendKernelsGuard::BackendKernelsGuard(const Kernels& kernels) : before_(of_backend) {
  of_backend = &kernels;
}
BackendKernelsGuard::~BackendKernelsGuard() { of_backend = before_; }

bool with_kernels(at::Device device, const std::function<void(const Kernels&)>& function) {
  if (current_use == KernelUse::nowhere) return false;
#ifdef DIGFUSION_KERNELS
  if (device.is_cuda()) {
    const c10::DeviceGuard guard(device);  // the kernels are those of the current device
    function(of_backend ? *of_backend : current_cuda_kernels());
    return true;
  }
#endif
  if (!device.is_cpu() || current_use == KernelUse::where_faster) return false;
  function(*make_cpu_kernels());
  return true;
}

}  // namespace digfusion
