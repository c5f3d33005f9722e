// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The check of `digfusion selftest` that several streams whose networks are one batch fuse what each does.
#pragma once

#include <string>

#include "core/device/device.h"
#include "core/parameters/parameters.h"

namespace digfusion::tools {

/// What was found; throws std::runtime_error where it is not as it should be.
std::string check_batched_streams(const Parameters& parameters, const DeviceChoice& choice);

}  // namespace digfusion::tools
