// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is behind the door.
#include "plugin/cuda/context.h"
#include "plugin/cuda/door.h"
#include "plugin/cuda/driver.h"
#include "plugin/cuda/gstcuda.h"
#include "plugin/cuda/pinned.h"
#include "plugin/videoimage.h"

namespace digfusion {
namespace {

/// The driver. Only for what is called after the door has been opened.
const Driver& driver() {
  Status status;
  return *Driver::get(status);
}

GstObject* door_primary_context(int device, Status* status) {
  *status = {};
  return primary_context(driver(), device, *status);
}

GstContext* door_share(GstObject* context) {
  return gst_context_new_cuda_context(GST_CUDA_CONTEXT_CAST(context));
}

GstBufferPool* door_new_pool(GstObject* context) {
  return gst_cuda_buffer_pool_new(GST_CUDA_CONTEXT_CAST(context));
}

bool door_pool_is_of(GstBufferPool* pool, GstObject* context) {
  return GST_IS_CUDA_BUFFER_POOL(pool) &&
         handle_of(GST_OBJECT(GST_CUDA_BUFFER_POOL_CAST(pool)->context)) == handle_of(context);
}

GstAllocator* door_new_pinned(GstObject* context) { return new_pinned_allocator(driver(), context); }

bool door_is_on_device(GstBuffer* buffer) {
  return gst_buffer_n_memory(buffer) == 1 && gst_is_cuda_memory(gst_buffer_peek_memory(buffer, 0));
}

/// Of a buffer on a device.
GstCudaMemory* memory_of(GstBuffer* buffer) {
  return GST_CUDA_MEMORY_CAST(gst_buffer_peek_memory(buffer, 0));
}

bool door_is_of(GstBuffer* buffer, GstObject* context) {
  return handle_of(GST_OBJECT(memory_of(buffer)->context)) == handle_of(context);
}

void door_synchronize(GstBuffer* buffer) {
  if (&gst_cuda_memory_sync) gst_cuda_memory_sync(memory_of(buffer));
}

CUDA_MEMCPY3D_PEER copy_of(const Plane& from, CUcontext from_context, const Plane& to, CUcontext to_context) {
  CUDA_MEMCPY3D_PEER copy = {};
  copy.srcMemoryType = copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.srcDevice = reinterpret_cast<CUdeviceptr>(from.data);
  copy.srcPitch = static_cast<std::size_t>(from.stride);
  copy.srcContext = from_context;
  copy.dstDevice = reinterpret_cast<CUdeviceptr>(to.data);
  copy.dstPitch = static_cast<std::size_t>(to.stride);
  copy.dstContext = to_context;
  copy.WidthInBytes = from.row_bytes;
  copy.Height = copy.srcHeight = copy.dstHeight = static_cast<std::size_t>(from.rows);
  copy.Depth = 1;
  return copy;
}

Status door_copy(GstBuffer* from, GstBuffer* to, const GstVideoInfo* info, GstObject* context) {
  MappedFrame source(*info, from, static_cast<GstMapFlags>(int{GST_MAP_READ} | int{GST_MAP_CUDA}));
  MappedFrame target(*info, to, static_cast<GstMapFlags>(int{GST_MAP_WRITE} | int{GST_MAP_CUDA}));
  if (!source.mapped() || !target.mapped()) return device_failure("CUDA memory can't be mapped");
  door_synchronize(from);
  const Image source_image = as_image(source.frame()), target_image = as_image(target.frame());
  const CUcontext from_context = handle_of(GST_OBJECT(memory_of(from)->context)),
                  to_context = handle_of(context);
  const Current current(driver(), to_context);
  CUresult result = current.result;
  for (int p = 0; p < source_image.planes && result == CUDA_SUCCESS; ++p) {
    const auto copy = copy_of(source_image.plane[p], from_context, target_image.plane[p], to_context);
    result = driver().copy_3d_peer_async(&copy, nullptr);
  }
  if (result == CUDA_SUCCESS) result = driver().stream_synchronize(nullptr);
  if (result == CUDA_SUCCESS) return {};
  return driver().failure("a picture can't be copied between two CUDA contexts", result);
}

constexpr CudaDoor door = {
    .map_on_device = static_cast<GstMapFlags>(GST_MAP_CUDA),
    .primary_context = &door_primary_context,
    .share = &door_share,
    .new_pool = &door_new_pool,
    .pool_is_of = &door_pool_is_of,
    .new_pinned = &door_new_pinned,
    .is_on_device = &door_is_on_device,
    .is_of = &door_is_of,
    .synchronize = &door_synchronize,
    .copy = &door_copy,
};

}  // namespace
}  // namespace digfusion

__attribute__((visibility("default"))) const digfusion::CudaDoor* digfusion_cuda_door(
    std::uint32_t version, digfusion::Status* status) {
  using namespace digfusion;
  *status = {};
  if (version != cuda_door_version) {
    *status = device_failure("it is of another digfusion release than the plugin");
    return nullptr;
  }
  if (!Driver::get(*status)) return nullptr;
  if (!gst_cuda_load_library()) {
    *status = device_failure("GStreamer's CUDA library can't use NVIDIA's driver");
    return nullptr;
  }
  gst_cuda_memory_init_once();
  return &door;
}
