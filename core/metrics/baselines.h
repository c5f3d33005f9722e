// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Three fusion rules that any method is to be seen beside.
#pragma once

#include <array>
#include <opencv2/core.hpp>

namespace digfusion::metrics {

/// (a+b)/2, not rounded.
cv::Mat fuse_average(const cv::Mat& a, const cv::Mat& b);

/// The larger of a and b for each pixel.
cv::Mat fuse_maximum(const cv::Mat& a, const cv::Mat& b);

/// Laplacian pyramid (Burt and Adelson, 1983; OpenCV's pyrDown and pyrUp) of 5 levels of details over a base:
/// the detail of larger magnitude (a's where they are equal), the base averaged; rounded and clipped to
/// 0..255.
cv::Mat fuse_laplacian(const cv::Mat& a, const cv::Mat& b);

struct Baseline {
  const char* name;
  /// Pictures: luma on 0..255, CV_64F, one channel, one size, not empty; else std::invalid_argument.
  cv::Mat (*fuse)(const cv::Mat& a, const cv::Mat& b);
};

inline constexpr std::array<Baseline, 3> baselines{
    {{"average", fuse_average}, {"maximum", fuse_maximum}, {"laplacian", fuse_laplacian}}};

}  // namespace digfusion::metrics
