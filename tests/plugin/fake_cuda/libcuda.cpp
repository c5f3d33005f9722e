// SPDX-License-Identifier: LGPL-2.1-or-later
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "cuda.h"
#include "tests/plugin/fake_cuda/fake_cuda.h"

struct CUctx_st {
  CUdevice device;
};

namespace {

using digfusion::test::FakeCudaLog;

struct CUDA_MEMCPY2D {
  std::size_t srcXInBytes, srcY;
  CUmemorytype srcMemoryType;
  const void* srcHost;
  CUdeviceptr srcDevice;
  CUarray srcArray;
  std::size_t srcPitch;
  std::size_t dstXInBytes, dstY;
  CUmemorytype dstMemoryType;
  void* dstHost;
  CUdeviceptr dstDevice;
  CUarray dstArray;
  std::size_t dstPitch;
  std::size_t WidthInBytes, Height;
};

/// Mapped twice: where it can be touched, and, for an address, where it can't.
struct Piece {
  std::uint8_t* host;
  std::size_t size;
  CUcontext context;
};

constexpr int most_devices = 4;

FakeCudaLog fake_log;
std::mutex mutex;  // guards the next three
std::map<CUdeviceptr, Piece> pieces;
std::map<void*, std::size_t> pinned;
int retained[most_devices];
CUctx_st primaries[most_devices] = {{0}, {1}, {2}, {3}};
thread_local std::vector<CUcontext> stack;

int devices() {
  const char* text = std::getenv("DIGFUSION_FAKE_CUDA_DEVICES");
  return text ? std::atoi(text) : 2;
}

CUcontext current() {
  if (!stack.empty()) return stack.back();
  ++fake_log.mistakes;
  return nullptr;
}

/// The piece that an address lies in, or null.
const Piece* piece_at(CUdeviceptr address, std::size_t& offset) {
  const std::lock_guard lock(mutex);
  auto after = pieces.upper_bound(address);
  if (after == pieces.begin()) return nullptr;
  const auto& [begin, piece] = *--after;
  offset = address - begin;
  return offset < piece.size ? &piece : nullptr;
}

CUresult allocate(CUdeviceptr* address, std::size_t size) {
  const CUcontext context = current();
  if (!context) return CUDA_ERROR_INVALID_CONTEXT;
  const int file = memfd_create("fake device memory", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, static_cast<off_t>(size)) != 0) return CUDA_ERROR_OUT_OF_MEMORY;
  void* host = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  void* device = mmap(nullptr, size, PROT_NONE, MAP_SHARED, file, 0);
  close(file);
  std::memset(host, 0xA5, size);
  *address = reinterpret_cast<CUdeviceptr>(device);
  const std::lock_guard lock(mutex);
  pieces[*address] = {static_cast<std::uint8_t*>(host), size, context};
  ++fake_log.device_pieces;
  return CUDA_SUCCESS;
}

CUresult pin(void** memory, std::size_t size) {
  if (!current()) return CUDA_ERROR_INVALID_CONTEXT;
  *memory = std::calloc(1, size);
  const std::lock_guard lock(mutex);
  pinned[*memory] = size;
  ++fake_log.pinned_pieces;
  return CUDA_SUCCESS;
}

void copy_rows(const std::uint8_t* from, std::size_t from_pitch, std::uint8_t* to, std::size_t to_pitch,
               std::size_t width, std::size_t height) {
  for (std::size_t y = 0; y < height; ++y) std::memcpy(to + y * to_pitch, from + y * from_pitch, width);
}

CUresult copy_2d(const CUDA_MEMCPY2D& copy) {
  const CUcontext context = current();
  const bool from_device = copy.srcMemoryType == CU_MEMORYTYPE_DEVICE,
             to_device = copy.dstMemoryType == CU_MEMORYTYPE_DEVICE;
  std::size_t offset = 0;
  auto* from = static_cast<const std::uint8_t*>(copy.srcHost);
  if (from_device) {
    const Piece* piece = piece_at(copy.srcDevice, offset);
    if (!piece) return CUDA_ERROR_INVALID_VALUE;
    if (piece->context != context) ++fake_log.mistakes;
    from = piece->host + offset;
  }
  auto* to = static_cast<std::uint8_t*>(copy.dstHost);
  if (to_device) {
    const Piece* piece = piece_at(copy.dstDevice, offset);
    if (!piece) return CUDA_ERROR_INVALID_VALUE;
    if (piece->context != context) ++fake_log.mistakes;
    to = piece->host + offset;
  }
  ++(from_device ? to_device ? fake_log.device_copies : fake_log.downloads : fake_log.uploads);
  copy_rows(from + copy.srcY * copy.srcPitch + copy.srcXInBytes, copy.srcPitch,
            to + copy.dstY * copy.dstPitch + copy.dstXInBytes, copy.dstPitch, copy.WidthInBytes, copy.Height);
  return CUDA_SUCCESS;
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

FakeCudaLog* fake_cuda_log() { return &fake_log; }

void* fake_cuda_host_address(const void* device) {
  std::size_t offset = 0;
  const Piece* piece = piece_at(reinterpret_cast<CUdeviceptr>(device), offset);
  return piece ? piece->host + offset : nullptr;
}

CUresult cuInit(unsigned) { return devices() > 0 ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE; }
CUresult cuDriverGetVersion(int* version) {
  *version = 12000;
  return CUDA_SUCCESS;
}
CUresult cuGetErrorName(CUresult error, const char** name) {
  *name = error == CUDA_ERROR_NO_DEVICE ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR";
  return CUDA_SUCCESS;
}
CUresult cuGetErrorString(CUresult, const char** text) {
  *text = "the fake driver says no";
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int* count) {
  *count = devices();
  return CUDA_SUCCESS;
}
CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  if (ordinal < 0 || ordinal >= devices()) return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetName(char* name, int length, CUdevice) {
  std::strncpy(name, "Fake GPU", static_cast<std::size_t>(length));
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetAttribute(int* value, int attribute, CUdevice) {
  constexpr int texture_alignment = 14, compute_major = 75;
  *value = attribute == texture_alignment ? 512 : attribute == compute_major ? 9 : 0;
  return CUDA_SUCCESS;
}
CUresult cuDeviceCanAccessPeer(int* can, CUdevice, CUdevice) {
  *can = 0;
  return CUDA_SUCCESS;
}

CUresult cuCtxCreate_v2(CUcontext* context, unsigned, CUdevice device) {
  *context = new CUctx_st{device};
  ++fake_log.contexts;
  stack.push_back(*context);
  return CUDA_SUCCESS;
}
CUresult cuCtxDestroy_v2(CUcontext context) {
  delete context;
  --fake_log.contexts;
  return CUDA_SUCCESS;
}
CUresult cuCtxPushCurrent_v2(CUcontext context) {
  stack.push_back(context);
  return CUDA_SUCCESS;
}
CUresult cuCtxPopCurrent_v2(CUcontext* context) {
  if (stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  if (context) *context = stack.back();
  stack.pop_back();
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  const std::lock_guard lock(mutex);
  *context = &primaries[device];
  ++retained[device];
  ++fake_log.primaries;
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  const std::lock_guard lock(mutex);
  if (--retained[device] < 0) ++fake_log.mistakes;
  --fake_log.primaries;
  return CUDA_SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr* address, std::size_t size) { return allocate(address, size); }
CUresult cuMemAllocPitch_v2(CUdeviceptr* address, std::size_t* pitch, std::size_t width, std::size_t height,
                            unsigned) {
  *pitch = (width + 511) / 512 * 512;
  return allocate(address, *pitch * height);
}
CUresult cuMemFree_v2(CUdeviceptr address) {
  const std::lock_guard lock(mutex);
  const auto found = pieces.find(address);
  if (found == pieces.end()) return CUDA_ERROR_INVALID_VALUE;
  munmap(found->second.host, found->second.size);
  munmap(reinterpret_cast<void*>(address), found->second.size);
  pieces.erase(found);
  --fake_log.device_pieces;
  return CUDA_SUCCESS;
}
CUresult cuMemAllocHost_v2(void** memory, std::size_t size) { return pin(memory, size); }
CUresult cuMemHostAlloc(void** memory, std::size_t size, unsigned) { return pin(memory, size); }
CUresult cuMemFreeHost(void* memory) {
  const std::lock_guard lock(mutex);
  if (stack.empty() || pinned.erase(memory) == 0) {
    ++fake_log.mistakes;
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::free(memory);
  --fake_log.pinned_pieces;
  return CUDA_SUCCESS;
}

CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D* copy) { return copy_2d(*copy); }
CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D* copy, CUstream) { return copy_2d(*copy); }
CUresult cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER* copy, CUstream) {
  std::size_t from_offset = 0, to_offset = 0;
  const Piece *from = piece_at(copy->srcDevice, from_offset), *to = piece_at(copy->dstDevice, to_offset);
  if (!from || !to || copy->Depth != 1) return CUDA_ERROR_INVALID_VALUE;
  if (from->context != copy->srcContext || to->context != copy->dstContext) ++fake_log.mistakes;
  ++fake_log.device_copies;
  if (from->context != to->context) ++fake_log.peer_copies;
  copy_rows(from->host + from_offset, copy->srcPitch, to->host + to_offset, copy->dstPitch,
            copy->WidthInBytes, copy->Height);
  return CUDA_SUCCESS;
}

CUresult cuStreamCreate(CUstream* stream, unsigned) {
  *stream = nullptr;
  return CUDA_SUCCESS;
}
CUresult cuStreamDestroy_v2(CUstream) { return CUDA_SUCCESS; }
CUresult cuStreamDestroy(CUstream) { return CUDA_SUCCESS; }
CUresult cuStreamSynchronize(CUstream) { return CUDA_SUCCESS; }

// GStreamer's library wants to find these; no test uses them.
#define FAKE_CUDA_LACKS(name) \
  CUresult name() { return CUDA_ERROR_NOT_SUPPORTED; }
FAKE_CUDA_LACKS(cuCtxEnablePeerAccess)
FAKE_CUDA_LACKS(cuCtxDisablePeerAccess)
FAKE_CUDA_LACKS(cuGraphicsMapResources)
FAKE_CUDA_LACKS(cuGraphicsUnmapResources)
FAKE_CUDA_LACKS(cuGraphicsResourceSetMapFlags_v2)
FAKE_CUDA_LACKS(cuGraphicsSubResourceGetMappedArray)
FAKE_CUDA_LACKS(cuGraphicsResourceGetMappedPointer_v2)
FAKE_CUDA_LACKS(cuGraphicsUnregisterResource)
FAKE_CUDA_LACKS(cuGraphicsGLRegisterImage)
FAKE_CUDA_LACKS(cuGraphicsGLRegisterBuffer)
FAKE_CUDA_LACKS(cuGLGetDevices_v2)
FAKE_CUDA_LACKS(cuModuleLoadData)
FAKE_CUDA_LACKS(cuModuleUnload)
FAKE_CUDA_LACKS(cuModuleGetFunction)
FAKE_CUDA_LACKS(cuTexObjectCreate)
FAKE_CUDA_LACKS(cuTexObjectDestroy)
FAKE_CUDA_LACKS(cuLaunchKernel)
FAKE_CUDA_LACKS(cuEventCreate)
FAKE_CUDA_LACKS(cuEventDestroy_v2)
FAKE_CUDA_LACKS(cuEventRecord)
FAKE_CUDA_LACKS(cuEventSynchronize)
FAKE_CUDA_LACKS(cuIpcGetEventHandle)
FAKE_CUDA_LACKS(cuIpcOpenEventHandle)
FAKE_CUDA_LACKS(cuIpcGetMemHandle)
FAKE_CUDA_LACKS(cuIpcOpenMemHandle_v2)
FAKE_CUDA_LACKS(cuIpcCloseMemHandle)

}  // extern "C"
#pragma GCC visibility pop
