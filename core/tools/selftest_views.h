// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <ATen/ATen.h>

#include <string>

#include "core/parameters/parameters.h"

namespace digfusion::tools {

/// Views and palettes by the device's kernels beside those by their CPU twins, for `digfusion selftest`.
/// Returns what it found; throws where they differ.
std::string check_views(const Parameters& base, at::Device device);

}  // namespace digfusion::tools
