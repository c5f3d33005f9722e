// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The checks of `digfusion selftest` that concern the device interface: kernels, graphs, memory. With
// --device cpu they go through the kernels' CPU twins.
#pragma once

#include <functional>
#include <string>

#include "core/device/device.h"
#include "core/parameters/parameters.h"

namespace digfusion::tools {

/// Runs a check that returns what it found or throws, under a name.
using RunCheck = std::function<void(const std::string& name, const std::function<std::string()>& check)>;

void check_device(const Parameters& base, const DeviceChoice& choice, int frames, const RunCheck& run);

}  // namespace digfusion::tools
