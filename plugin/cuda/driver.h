// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The functions of NVIDIA's driver that GStreamer's CUDA library doesn't pass on.
#pragma once

#include <string>

#include "core/interface/interface.h"
#include "cuda.h"

namespace digfusion {

/// Opened once for the process and never closed. Names as in the CUDA driver API.
struct Driver {
  CUresult (*init)(unsigned flags);
  CUresult (*device_get_count)(int* count);
  CUresult (*device_get)(CUdevice* device, int ordinal);
  CUresult (*primary_context_retain)(CUcontext* context, CUdevice device);
  CUresult (*primary_context_release)(CUdevice device);
  CUresult (*context_push)(CUcontext context);
  CUresult (*context_pop)(CUcontext* context);
  CUresult (*host_alloc)(void** memory, std::size_t bytes, unsigned flags);
  CUresult (*host_free)(void* memory);
  CUresult (*copy_3d_peer_async)(const CUDA_MEMCPY3D_PEER* copy, CUstream stream);
  CUresult (*stream_synchronize)(CUstream stream);
  CUresult (*error_name)(CUresult error, const char** name);
  CUresult (*error_text)(CUresult error, const char** text);

  /// Null, with the reason in `status`, where there is no driver or it finds no device. Any thread.
  static const Driver* get(Status& status);

  /// "what: CUDA_ERROR_NO_DEVICE, no CUDA-capable device is detected".
  Status failure(const char* what, CUresult error) const;
};

/// A context that is the calling thread's current one while this lives.
class Current {
 public:
  Current(const Driver& driver, CUcontext context);
  ~Current();
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;

  CUresult result;  ///< of making it so

 private:
  const Driver& driver_;
};

/// A failure of the device.
Status device_failure(const std::string& message);

}  // namespace digfusion
