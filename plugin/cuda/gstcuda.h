// SPDX-License-Identifier: LGPL-2.1-or-later
//
// GStreamer's CUDA library as we include it.
#pragma once

#define GST_USE_UNSTABLE_API
#include <gst/cuda/gstcudabufferpool.h>
#include <gst/cuda/gstcudacontext.h>
#include <gst/cuda/gstcudaloader.h>
#include <gst/cuda/gstcudamemory.h>

extern "C" {
// Of gstcudautils.h, whose other declarations need more of NVIDIA's headers.
GstContext* gst_context_new_cuda_context(GstCudaContext* context);
// Since GStreamer 1.24. Weak: a module built with 1.22's headers waits where it runs with a later library.
__attribute__((weak)) void gst_cuda_memory_sync(GstCudaMemory* memory);
}

namespace digfusion {

inline CUcontext handle_of(GstObject* context) {
  return static_cast<CUcontext>(gst_cuda_context_get_handle(GST_CUDA_CONTEXT_CAST(context)));
}

}  // namespace digfusion
