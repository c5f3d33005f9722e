// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How the kernels' bodies run on an NVIDIA GPU. For .cu files alone; launch_cpu.h is the twin.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <stdexcept>
#include <string>

#include "core/device/host_device.h"

namespace digfusion {

/// A block of threads and its shared memory. Host and device, so that a body can be both; the host's is never
/// called.
struct CudaBlock {
  std::uint32_t* counter;
  std::uint32_t* word;

  template <class Function>
  DIGFUSION_HD void for_all(int n, const Function& function) {
#ifdef __CUDA_ARCH__
    for (int i = int(threadIdx.x); i < n; i += int(blockDim.x)) function(i);
    __syncthreads();
#else
    (void)n, (void)function;
#endif
  }
  template <class Function>
  DIGFUSION_HD void once(const Function& function) {
#ifdef __CUDA_ARCH__
    if (threadIdx.x == 0) function();
    __syncthreads();
#else
    (void)function;
#endif
  }
};

namespace kernel {

template <class Body>
__global__ void map(int width, int height, Body body) {
  const int x = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (x >= width) return;
  for (int y = int(blockIdx.y * blockDim.y + threadIdx.y); y < height; y += int(gridDim.y * blockDim.y))
    body(x, y, int(blockIdx.z));
}

/// The sums of all threads of a block, in thread 0. 256 threads.
__device__ inline Sums sum_of_block(Sums sums) {
  __shared__ Sums warps[8];
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    sums.first += __shfl_down_sync(0xffffffffu, sums.first, lanes);
    sums.second += __shfl_down_sync(0xffffffffu, sums.second, lanes);
  }
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = sums;
  __syncthreads();
  if (threadIdx.x == 0)
    for (int i = 1; i < 8; ++i) {
      sums.first += warps[i].first;
      sums.second += warps[i].second;
    }
  return sums;
}

/// Each block takes a part of an item; with one part an item it is finished here.
template <class Term, class Finish>
__global__ void reduce(int count, Sums* parts, Term term, Finish finish) {
  const int item = int(blockIdx.y);
  Sums sums{0, 0};
  for (int i = int(blockIdx.x * blockDim.x + threadIdx.x); i < count; i += int(gridDim.x * blockDim.x)) {
    const Sums one = term(item, i);
    sums.first += one.first;
    sums.second += one.second;
  }
  sums = sum_of_block(sums);
  if (threadIdx.x != 0) return;
  if (gridDim.x == 1)
    finish(item, sums);
  else
    parts[item * int(gridDim.x) + int(blockIdx.x)] = sums;
}

template <class Finish>
__global__ void finish_reduction(int parts_each, const Sums* parts, Finish finish) {
  const int item = int(blockIdx.x);
  Sums sums{0, 0};
  for (int i = int(threadIdx.x); i < parts_each; i += int(blockDim.x)) {
    sums.first += parts[item * parts_each + i].first;
    sums.second += parts[item * parts_each + i].second;
  }
  sums = sum_of_block(sums);
  if (threadIdx.x == 0) finish(item, sums);
}

template <class Body>
__global__ void __launch_bounds__(1024) block_program(Body body) {
  __shared__ std::uint32_t counter[256], word[4];
  CudaBlock block{counter, word};
  body(int(blockIdx.x), block);
}

}  // namespace kernel

struct CudaLauncher {
  using Block = CudaBlock;
  static constexpr int most_parts = 1 << 16;  ///< of all items of a reduction together

  cudaStream_t stream = nullptr;
  Sums* parts = nullptr;  ///< most_parts of them, on the device

  /// Kernels are started, not waited for: what a body does wrong shows at the next wait.
  static void check() {
    if (const cudaError_t error = cudaGetLastError(); error != cudaSuccess)
      throw std::runtime_error(std::string("a CUDA kernel could not be started: ") +
                               cudaGetErrorString(error));
  }

  template <class Body>
  void map(int width, int height, int depth, const Body& body) const {
    if (width <= 0 || height <= 0 || depth <= 0) return;
    const dim3 threads = height < 8 ? dim3(256, 1) : dim3(32, 8);
    const auto blocks = [](int size, unsigned each) { return (unsigned(size) + each - 1) / each; };
    const dim3 grid(blocks(width, threads.x), smaller(blocks(height, threads.y), 65535u), unsigned(depth));
    kernel::map<<<grid, threads, 0, stream>>>(width, height, body);
    check();
  }

  template <class Term, class Finish>
  void reduce(int items, int count, const Term& term, const Finish& finish) const {
    const int each = smaller(256, smaller(most_parts / larger(items, 1), 1 + count / 2048));
    const int blocks = larger(each, 1);
    kernel::reduce<<<dim3(unsigned(blocks), unsigned(items)), 256, 0, stream>>>(count, parts, term, finish);
    if (blocks > 1) kernel::finish_reduction<<<unsigned(items), 256, 0, stream>>>(blocks, parts, finish);
    check();
  }

  template <class Body>
  void blocks(int items, const Body& body) const {
    kernel::block_program<<<unsigned(items), 1024, 0, stream>>>(body);
    check();
  }
};

}  // namespace digfusion
