// SPDX-License-Identifier: LGPL-2.1-or-later
#include <memory>

#include "core/device/kernel_set.h"
#include "core/device/launch_cuda.h"
#include "core/interface/error.h"

namespace digfusion {
namespace {

/// The launcher's workspace, allocated once.
struct Workspace {
  Workspace() {
    if (const cudaError_t error = cudaMalloc(&parts, CudaLauncher::most_parts * sizeof(Sums));
        error != cudaSuccess) {
      cudaGetLastError();  // told here, and not by the next kernel once more
      throw Error(error == cudaErrorMemoryAllocation ? ErrorCode::out_of_memory : ErrorCode::device,
                  std::string("no memory for the kernels on the GPU: ") + cudaGetErrorString(error));
    }
  }
  ~Workspace() { cudaFree(parts); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  Sums* parts = nullptr;
};

/// A base class is made before and destroyed after the others.
class CudaKernels : private Workspace, public KernelSet<CudaLauncher> {
 public:
  explicit CudaKernels(cudaStream_t stream) : KernelSet<CudaLauncher>(CudaLauncher{stream, parts}) {}
};

}  // namespace

std::unique_ptr<Kernels> make_cuda_kernels(void* stream) {
  return std::make_unique<CudaKernels>(static_cast<cudaStream_t>(stream));
}

}  // namespace digfusion
