// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/device/kernel_set.h"
#include "core/device/launch_cpu.h"

namespace digfusion {

std::unique_ptr<Kernels> make_cpu_kernels() {
  return std::make_unique<KernelSet<CpuLauncher>>(CpuLauncher{});
}

}  // namespace digfusion
