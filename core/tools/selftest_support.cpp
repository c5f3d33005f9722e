// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/selftest_support.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

namespace digfusion::tools {

void require(bool met, const std::string& detail) {
  if (!met) throw std::runtime_error(detail);
}

std::vector<BenchFrame> luma_scene(int width, int height, int count) {
  std::vector<BenchFrame> frames = bench_frames(width, height, count);
  for (BenchFrame& frame : frames) frame.visible.resize(frame.infrared.size());
  return frames;
}

int largest_difference(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
  int largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(int(a[i]) - int(b[i])));
  return largest;
}

std::string check_steady(Backend& backend, int frames, const std::function<void(int n)>& fuse) {
  const DeviceCounts before = backend.counts();
  backend.forbid_hidden_waits(true);
  try {
    for (int n = 0; n < frames; ++n) fuse(n);
  } catch (...) {
    backend.forbid_hidden_waits(false);
    throw;
  }
  backend.forbid_hidden_waits(false);
  const auto allocations = backend.counts().allocations - before.allocations,
             waits = backend.counts().waits - before.waits;
  const std::string detail = std::to_string(frames) + " frames: " + std::to_string(allocations) +
                             " device allocations, " + std::to_string(waits) + " waits";
  require(allocations == 0 && waits == std::uint64_t(frames), detail);
  return detail;
}

}  // namespace digfusion::tools
