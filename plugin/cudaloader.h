// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Finds and opens the plugin's CUDA part. The plugin doesn't link it, so that it loads where GStreamer's CUDA
// library is missing.
#pragma once

#include "core/interface/interface.h"
#include "plugin/cuda/door.h"

namespace digfusion {

/// The CUDA part's door, or null where CUDA memory can't be had: no NVIDIA driver, no GPU, no CUDA library of
/// GStreamer, or the module isn't installed. Looks once for the process, the first time; where there is no
/// driver that takes no time. Opens the file that the environment variable DIGFUSION_CUDA_MODULE names;
/// without it, that of the build folder or beside the installed plugin. Any thread. The module stays in the
/// process for good.
const CudaDoor* cuda_door();

/// Why there is none.
const Status& no_cuda_reason();

}  // namespace digfusion
