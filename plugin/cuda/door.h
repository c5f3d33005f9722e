// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The door between the plugin and its CUDA part. That part is a module of its own, since it links GStreamer's
// CUDA library (of gst-plugins-bad), which not every machine has. Whoever opens it needs neither that
// library's headers nor NVIDIA's.
#pragma once

#include <gst/video/video.h>

#include <cstdint>

#include "core/interface/interface.h"

namespace digfusion {

/// Raised with every change of the struct below.
inline constexpr std::uint32_t cuda_door_version = 1;

/// Contexts are GstCudaContext. Every function may be called in any thread; none throws. A failure's Status
/// has the code `device`.
struct CudaDoor {
  GstMapFlags map_on_device;  ///< to be added to the flags of a mapping: addresses are the device's then

  /// The context that the device's runtime API uses, and LibTorch with it: one object for the process as long
  /// as somebody has a reference. The caller owns one; null with the reason in `status`.
  GstObject* (*primary_context)(int device, Status* status);
  /// A new GstContext of it, which the caller owns.
  GstContext* (*share)(GstObject* context);

  /// A new, unconfigured pool of device memory; the caller owns it.
  GstBufferPool* (*new_pool)(GstObject* context);
  /// Whether the pool's buffers are device memory of this context.
  bool (*pool_is_of)(GstBufferPool* pool, GstObject* context);
  /// An allocator of host memory that is pinned, so that copies to and from the device are quick and overlap
  /// computing. Memory is pinned slowly: for pools. The caller owns it.
  GstAllocator* (*new_pinned)(GstObject* context);

  /// Whether the buffer is one piece of device memory.
  bool (*is_on_device)(GstBuffer* buffer);
  /// Whether that memory is of this context.
  bool (*is_of)(GstBuffer* buffer, GstObject* context);
  /// Waits until what was written to device memory before is there. Elements of GStreamer 1.22 have waited
  /// already; later ones leave it to the reader.
  void (*synchronize)(GstBuffer* buffer);
  /// From device memory of any context to device memory of `context`, without the host. Waits for the end.
  Status (*copy)(GstBuffer* from, GstBuffer* to, const GstVideoInfo* info, GstObject* context);
};

}  // namespace digfusion

extern "C" {
/// Null, with the reason in `status`, where GStreamer's library or the driver doesn't work, or the version
/// isn't the module's own.
const digfusion::CudaDoor* digfusion_cuda_door(std::uint32_t version, digfusion::Status* status);
}
