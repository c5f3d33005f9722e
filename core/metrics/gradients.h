// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Figures made of differences between neighbours. Pictures are luma on 0..255, CV_64F, one channel, at least
// 2×2, of one size; nothing is checked here (core/metrics/metrics.h does).
#pragma once

#include <opencv2/core.hpp>

namespace digfusion::metrics {

/// SF: √(mean squared difference along rows + mean squared difference along columns).
double spatial_frequency(const cv::Mat& picture);

/// AG: mean of √((gx²+gy²)/2), central differences, one-sided at the border.
double average_gradient(const cv::Mat& picture);

/// EI: mean of √(Sx²+Sy²), 3×3 Sobel, border reflected without repeating its pixel.
double edge_intensity(const cv::Mat& picture);

/// Xydeas and Petrović, "Objective image fusion performance measure" (2000); Nabf after Kumar, "Image fusion
/// based on pixel significance using cross bilateral filter" (2013).
struct EdgeTransfer {
  double qabf = 0.0;  ///< how much of the sources' edges f holds, weighted by their strength, 0..1
  double nabf = 0.0;  ///< artefacts: strength lost to edges that only f has
};

/// Both are 0 when neither source has an edge. A constant picture has one: Sobel's border is zero.
EdgeTransfer edge_transfer(const cv::Mat& fused, const cv::Mat& a, const cv::Mat& b);

}  // namespace digfusion::metrics
