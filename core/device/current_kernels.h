// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The fused kernels for methods that are written with LibTorch's operators.
#pragma once

#include <ATen/ATen.h>

#include <functional>

#include "core/device/kernels.h"

namespace digfusion {

enum class KernelUse {
  where_faster,  ///< on GPUs, in builds that have kernels
  everywhere,    ///< on the CPU their twins, too
  nowhere
};

/// What with_kernels() does in the calling thread while this lives; where_faster else. For tests.
class KernelUseGuard {
 public:
  explicit KernelUseGuard(KernelUse use);
  ~KernelUseGuard();
  KernelUseGuard(const KernelUseGuard&) = delete;
  KernelUseGuard& operator=(const KernelUseGuard&) = delete;

 private:
  KernelUse before_;
};

/// While this lives, the calling thread's kernels on GPUs are these, of a Backend whose run() it is in:
/// graphs that hold them may outlive the thread, and with it its own.
class BackendKernelsGuard {
 public:
  explicit BackendKernelsGuard(const Kernels& kernels);
  ~BackendKernelsGuard();
  BackendKernelsGuard(const BackendKernelsGuard&) = delete;
  BackendKernelsGuard& operator=(const BackendKernelsGuard&) = delete;

 private:
  const Kernels* before_;
};

/// Calls `function` with the kernels of this device, in LibTorch's current stream there. False, and nothing
/// is called, where the operators are to be used.
bool with_kernels(at::Device device, const std::function<void(const Kernels&)>& function);

}  // namespace digfusion
