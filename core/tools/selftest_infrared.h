// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <ATen/ATen.h>

#include <string>

#include "core/parameters/parameters.h"

namespace digfusion::tools {

/// Infrared pictures of random size, layout and place as the device's kernels bring them to the visible
/// picture's grid, beside what the CPU makes of them, for `digfusion selftest`. Returns what it found; throws
/// where they differ.
std::string check_infrared(const Parameters& base, at::Device device);

}  // namespace digfusion::tools
