// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a visible and an infrared picture have in common: where edges are and how they run.
#pragma once

#include <array>
#include <opencv2/core.hpp>

namespace digfusion::tools {

inline constexpr int edge_directions = 6;

/// Strength of the edges of each direction over that of all around, 0..1, CV_32F; blind to contrast and to
/// which side is brighter.
using EdgeChannels = std::array<cv::Mat, edge_directions>;

/// `picture` CV_32F; `mask` CV_8U marks what counts for the mean strength, below which edges fade out.
EdgeChannels edge_channels(const cv::Mat& picture, const cv::Mat& mask);

/// Twice the edges' angle as a complex number whose length grows with their strength to 1: CV_32FC2. Zero
/// outside the mask.
cv::Mat edge_angles(const cv::Mat& picture, const cv::Mat& mask);

}  // namespace digfusion::tools
