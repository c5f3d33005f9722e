// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Host memory that the device reads and writes by itself.
#pragma once

#include <gst/gst.h>

#include "plugin/cuda/driver.h"

namespace digfusion {

/// Its memory is ordinary to whoever maps it. Where none can be pinned it gives what is not. Keeps a
/// reference to `context`, as every piece of its memory does.
GstAllocator* new_pinned_allocator(const Driver& driver, GstObject* context);

}  // namespace digfusion
