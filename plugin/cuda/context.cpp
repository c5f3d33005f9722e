// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/cuda/context.h"

#include <mutex>
#include <string>

#include "plugin/cuda/gstcuda.h"

namespace digfusion {
namespace {

constexpr int max_devices = 64;

/// The retained primary context that a GstCudaContext wraps.
struct Retained {
  const Driver* driver;
  CUdevice device;
};

void release(gpointer user) {
  auto* retained = static_cast<Retained*>(user);
  retained->driver->primary_context_release(retained->device);
  delete retained;
}

GstObject* wrap(const Driver& driver, int ordinal, Status& status) {
  CUdevice device = 0;
  CUcontext handle = nullptr;
  CUresult result = driver.device_get(&device, ordinal);
  if (result == CUDA_SUCCESS) result = driver.primary_context_retain(&handle, device);
  if (result != CUDA_SUCCESS) {
    status = driver.failure(("CUDA device " + std::to_string(ordinal) + " gives no context").c_str(), result);
    return nullptr;
  }
  GstCudaContext* context = gst_cuda_context_new_wrapped(handle, device);
  if (!context) {
    driver.primary_context_release(device);
    status = device_failure("GStreamer can't use the context of CUDA device " + std::to_string(ordinal));
    return nullptr;
  }
  // Data of an object goes last, after all that its class does with the context.
  g_object_set_data_full(G_OBJECT(context), "digfusion-retained", new Retained{&driver, device}, &release);
  return GST_OBJECT(context);
}

}  // namespace

GstObject* primary_context(const Driver& driver, int device, Status& status) {
  // Two elements that use one device should see that they share its memory.
  static std::mutex mutex;  // guards `contexts`; a leaf
  static GWeakRef contexts[max_devices];
  if (device < 0 || device >= max_devices) {
    status = device_failure("there is no CUDA device " + std::to_string(device));
    return nullptr;
  }
  const std::lock_guard lock(mutex);
  if (gpointer known = g_weak_ref_get(&contexts[device])) return GST_OBJECT(known);
  GstObject* context = wrap(driver, device, status);
  if (context) g_weak_ref_set(&contexts[device], context);
  return context;
}

}  // namespace digfusion
