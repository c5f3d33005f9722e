// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Colour of pictures that are fused as equals (multi-focus, multi-exposure, medical): luma and chroma apart
// before the fusion of the luma, and together again after it. Y'CbCr of full range with BT.601's weights, as
// OpenCV's BGR→YCrCb. Pictures are as read_picture() returns them.
#pragma once

#include <opencv2/core.hpp>
#include <span>

namespace digfusion::tools {

/// Luma as a gray picture of 16 bit, whatever the picture's depth: 8 bit times 257, gray as it is.
cv::Mat deep_luma(const cv::Mat& picture);

/// The usual weighting around neutral: for Cb and Cr each Σ_k |C_k| C_k / Σ_k |C_k|, C = 0 being neutral (128
/// in 8 bit), neutral where all are. A gray picture is neutral. Pictures of one size → CV_32FC2, Cb and Cr on
/// -.5...5; empty when all are gray.
cv::Mat fuse_chroma(std::span<const cv::Mat> pictures);

/// A picture of `like`'s depth with this luma (as deep_luma() makes it) and chroma (as fuse_chroma() does, or
/// empty for gray), clipped; with alpha of `like` where that has it (then BGRA).
cv::Mat join_colour(const cv::Mat& luma, const cv::Mat& chroma, const cv::Mat& like);

}  // namespace digfusion::tools
