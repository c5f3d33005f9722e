// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The core's errors as messages on the bus.
#pragma once

#include <gst/gst.h>

#include "core/interface/interface.h"

GST_DEBUG_CATEGORY_EXTERN(digfusion_debug);

namespace digfusion {

/// Posts an element error whose domain and code follow from the status; `context` comes before its message.
void post_error(GstElement* element, const char* context, const Status& status);

/// Context of an error of loading.
inline constexpr const char* load_failed = "The fusion core could not be loaded";

/// A LogSink whose user data is the element: information goes to the debug log, warnings to the bus as well.
void log_to_element(void* element, LogLevel level, const char* message);

/// A status of our own.
Status failure(ErrorCode code, const char* message);

}  // namespace digfusion
