// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The first guess of alignment.h: scale, turn and offset, from nothing.
#pragma once

#include <opencv2/core.hpp>
#include <span>
#include <vector>

#include "core/tools/alignment.h"

namespace digfusion::tools {

struct AlignmentStart {
  cv::Matx33d to_visible;
  double score;  ///< the more the better, of one search
};

/// Takes a picture's pixels to those of the same picture x times as wide and y times as high.
cv::Matx33d scaling(double x, double y);

/// The best few, best first, each of another scale, turn or place. None when the infrared picture is smaller
/// than the search.
std::vector<AlignmentStart> find_starts(std::span<const AlignmentPair> pairs);

}  // namespace digfusion::tools
