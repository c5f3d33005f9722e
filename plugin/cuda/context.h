// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The device's primary context, which the runtime API and so LibTorch use, as a GstCudaContext.
#pragma once

#include <gst/gst.h>

#include "plugin/cuda/driver.h"

namespace digfusion {

/// See CudaDoor::primary_context.
GstObject* primary_context(const Driver& driver, int device, Status& status);

}  // namespace digfusion
