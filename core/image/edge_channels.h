// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a visible and an infrared picture have in common: where edges are and how they run.
#pragma once

#include <array>
#include <opencv2/core.hpp>

namespace digfusion {

/// Around each pixel: cosine and sine of twice the edges' angle and their strength, all times strength over
/// itself and the picture's mean. CV_32F, -1..1 and 0..1. Blind to contrast and to which side is brighter;
/// where edges of all directions meet the first two are near zero. (A structure tensor's direction and
/// coherence, weighed by the gradient's magnitude.)
using EdgeChannels = std::array<cv::Mat, 3>;

/// `picture` CV_32F; `mask` CV_8U marks what counts for the mean strength, below which edges fade out; an
/// empty one marks all.
EdgeChannels edge_channels(const cv::Mat& picture, const cv::Mat& mask = {});

/// The picture's channels where `from` (a place on the result's grid → a place in them) finds them.
EdgeChannels warped(const EdgeChannels& channels, const cv::Matx33d& from, cv::Size size);

/// `mask` likewise, less three pixels along its borders, whose edges are none of the scene; an empty mask of
/// `source` pixels marks all of them.
cv::Mat warped_mask(const cv::Mat& mask, cv::Size source, const cv::Matx33d& from, cv::Size size);

/// Squared difference, summed over the channels.
cv::Mat difference(const EdgeChannels& a, const EdgeChannels& b);

}  // namespace digfusion
