// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Caps of pictures in system memory and in CUDA memory. Strings only: nothing of CUDA is needed.
#pragma once

#include <gst/gst.h>

#include <memory>

/// The caps feature of CUDA memory; GStreamer's library has the name as well.
#define DIGFUSION_CUDA_MEMORY "memory:CUDAMemory"

namespace digfusion {

struct CapsUnref {
  void operator()(GstCaps* caps) const { gst_caps_unref(caps); }
};
using CapsRef = std::unique_ptr<GstCaps, CapsUnref>;

/// Whether these caps, which are fixed, are of CUDA memory.
bool is_cuda(const GstCaps* caps);

/// The same, but for the memory.
CapsRef in_cuda_memory(const GstCaps* caps);
CapsRef in_system_memory(const GstCaps* caps);

/// Whatever is in one of the two memories, in either: CUDA memory first, both in the order of `caps`. Other
/// memories are left out.
CapsRef in_either_memory(const GstCaps* caps);

/// Without what is in CUDA memory.
CapsRef without_cuda(const GstCaps* caps);

}  // namespace digfusion
