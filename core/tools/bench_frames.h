// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The preloaded frames of `digfusion bench`, for the core and for the element alike. Neither torch nor
// GStreamer.
#pragma once

#include <cstdint>
#include <vector>

namespace digfusion::tools {

/// A pair of core/scene's pictures, rows without padding.
struct BenchFrame {
  std::vector<std::uint8_t>
      visible;  ///< I420, limited range: Y, then Cb and Cr at half the size (rounded up)
  std::vector<std::uint8_t> infrared;  ///< gray, full range
};

/// The first `count` frames of the generated scene. Throws std::invalid_argument for a size that it can't
/// have.
std::vector<BenchFrame> bench_frames(int width, int height, int count);

}  // namespace digfusion::tools
