// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The exact way to align two cameras: a heated checkerboard that both see.
#pragma once

#include <opencv2/core.hpp>
#include <span>

#include "core/tools/alignment.h"

namespace digfusion::tools {

/// The homography between the corners of a board, found in both pictures of each pair (pairs in which one
/// lacks it are left out). `corners` counts the board's inner corners. The infrared camera may see it with
/// black and white exchanged, and turned by less than 90 degrees to the visible one. It holds for what is as
/// far away as the boards. Alignment::parts counts corners, residual is the root of their mean square
/// distance. Throws std::runtime_error when no pair shows the board to both.
Alignment align_by_checkerboard(std::span<const AlignmentPair> pairs, cv::Size corners);

}  // namespace digfusion::tools
