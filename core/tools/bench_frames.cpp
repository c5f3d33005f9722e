// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/bench_frames.h"

#include <cmath>

#include "core/scene/renderer.h"

namespace digfusion::tools {
namespace {

void append(std::vector<std::uint8_t>& bytes, const scene::Plane& plane, float scale, float offset) {
  for (const float sample : plane.samples)
    bytes.push_back(static_cast<std::uint8_t>(std::lround(sample * scale + offset)));
}

}  // namespace

std::vector<BenchFrame> bench_frames(int width, int height, int count) {
  const scene::Renderer renderer(scene::default_pattern, 0, width, height);
  std::vector<BenchFrame> frames(static_cast<std::size_t>(count));
  scene::Plane luma, cb, cr, radiance;
  for (int n = 0; n < count; ++n) {
    BenchFrame& frame = frames[static_cast<std::size_t>(n)];
    renderer.visible(n, luma, cb, cr);
    append(frame.visible, luma, 219, 16);
    append(frame.visible, cb, 224, 128);
    append(frame.visible, cr, 224, 128);
    renderer.infrared(n, radiance);
    append(frame.infrared, radiance, 255, 0);
  }
  return frames;
}

}  // namespace digfusion::tools
