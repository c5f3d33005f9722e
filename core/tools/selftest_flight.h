// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The checks of `selftest` on frames that overlap. Throw std::runtime_error; else return what was found.
#pragma once

#include <string>

#include "core/device/device.h"
#include "core/parameters/parameters.h"

namespace digfusion::tools {

/// Frames from and to the host's memory, the next begun before one is finished, beside the same one by one;
/// and `frames` of them in which nothing may be allocated, and one wait each. method=gradient.
std::string check_frames_in_flight(const Parameters& parameters, const DeviceChoice& choice, int frames);

/// The same comparison through the library's own door, which says how many frames that is. On a GPU.
std::string check_library_in_flight(const Parameters& parameters);

}  // namespace digfusion::tools
