// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the checks of `selftest` on a device have in common.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/device/backend.h"
#include "core/tools/bench_frames.h"

namespace digfusion::tools {

/// Throws std::runtime_error with `detail` where a check isn't met.
void require(bool met, const std::string& detail);

/// Frames of the generated scene, visible ones as luma alone.
std::vector<BenchFrame> luma_scene(int width, int height, int count);

/// fuse(0) to fuse(frames - 1), in which nothing is allocated on the device, and one wait each. Returns what
/// was counted; throws where it is anything else, or where something waits behind the backend's back.
std::string check_steady(Backend& backend, int frames, const std::function<void(int n)>& fuse);

/// Of bytes at the same place, in as many.
int largest_difference(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b);

}  // namespace digfusion::tools
