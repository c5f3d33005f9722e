// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A driver without a GPU: libcuda.so.1 over host memory, for tests of GStreamer's CUDA library, its elements
// and our module on any machine. What it calls device memory can't be touched through its address: whoever
// forgets that it isn't the host's is ended by a fault. Environment variable:
//   DIGFUSION_FAKE_CUDA_DEVICES  how many devices it has; 2 unless set
#pragma once

#include <atomic>
#include <cstdint>

namespace digfusion::test {

/// What the process asked of the driver. Pieces and contexts are those that are alive.
struct FakeCudaLog {
  std::atomic<int> device_pieces, pinned_pieces, contexts;
  std::atomic<int> primaries;  ///< primary contexts retained and not released
  std::atomic<int> uploads, downloads, device_copies;
  std::atomic<int> peer_copies;  ///< device copies from one context to another
  std::atomic<int> mistakes;     ///< calls without a current context, or with memory of another one
};

}  // namespace digfusion::test

extern "C" {
digfusion::test::FakeCudaLog* fake_cuda_log();
/// Where the samples of device memory really are, or null for an address that is none.
void* fake_cuda_host_address(const void* device);
}
