// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/cuda/driver.h"

#include <dlfcn.h>

#include <cstring>

namespace digfusion {
namespace {

struct Opened {
  Driver driver = {};
  Status status;
};

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

Opened open_driver() {
  Opened opened;
  Driver& d = opened.driver;
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    opened.status = device_failure(std::string("NVIDIA's driver can't be opened: ") + dlerror());
    return opened;
  }
  // The versions that GStreamer's library takes, too.
  const bool complete =
      find(library, "cuInit", d.init) && find(library, "cuDeviceGetCount", d.device_get_count) &&
      find(library, "cuDeviceGet", d.device_get) &&
      find(library, "cuDevicePrimaryCtxRetain", d.primary_context_retain) &&
      find(library, "cuDevicePrimaryCtxRelease_v2", d.primary_context_release) &&
      find(library, "cuCtxPushCurrent_v2", d.context_push) &&
      find(library, "cuCtxPopCurrent_v2", d.context_pop) && find(library, "cuMemHostAlloc", d.host_alloc) &&
      find(library, "cuMemFreeHost", d.host_free) &&
      find(library, "cuMemcpy3DPeerAsync", d.copy_3d_peer_async) &&
      find(library, "cuStreamSynchronize", d.stream_synchronize) &&
      find(library, "cuGetErrorName", d.error_name) && find(library, "cuGetErrorString", d.error_text);
  if (!complete) {
    opened.status = device_failure(std::string("NVIDIA's driver is older than CUDA 11: ") + dlerror());
    return opened;
  }
  int count = 0;
  CUresult result = d.init(0);
  if (result == CUDA_SUCCESS) result = d.device_get_count(&count);
  if (result == CUDA_SUCCESS && count == 0) result = CUDA_ERROR_NO_DEVICE;
  if (result != CUDA_SUCCESS) opened.status = d.failure("NVIDIA's driver doesn't start", result);
  return opened;
}

}  // namespace

Status device_failure(const std::string& message) {
  Status status;
  status.code = ErrorCode::device;
  std::strncpy(status.message, message.c_str(), sizeof status.message - 1);
  return status;
}

const Driver* Driver::get(Status& status) {
  static const Opened opened = open_driver();
  status = opened.status;
  return status.ok() ? &opened.driver : nullptr;
}

Status Driver::failure(const char* what, CUresult error) const {
  const char *name = nullptr, *text = nullptr;
  std::string message = what;
  if (error_name(error, &name) == CUDA_SUCCESS && name) message += std::string(": ") + name;
  if (error_text(error, &text) == CUDA_SUCCESS && text) message += std::string(", ") + text;
  return device_failure(message);
}

Current::Current(const Driver& driver, CUcontext context)
    : result(driver.context_push(context)), driver_(driver) {}

Current::~Current() {
  CUcontext popped;
  if (result == CUDA_SUCCESS) driver_.context_pop(&popped);
}

}  // namespace digfusion
