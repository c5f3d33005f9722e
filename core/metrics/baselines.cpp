// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/metrics/baselines.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <stdexcept>
#include <vector>

namespace digfusion::metrics {
namespace {

constexpr int levels = 5;  // of details; the base lies below them

void check(const cv::Mat& a, const cv::Mat& b) {
  if (a.empty() || a.type() != CV_64FC1 || b.type() != CV_64FC1 || a.size() != b.size())
    throw std::invalid_argument("a baseline needs two pictures of float64 luma and of one size, not empty");
}

// Details from fine to coarse, then the base.
std::vector<cv::Mat> laplacian_pyramid(const cv::Mat& picture) {
  std::vector<cv::Mat> pyramid;
  cv::Mat current = picture;
  for (int level = 0; level < levels; ++level) {
    cv::Mat coarser, predicted;
    cv::pyrDown(current, coarser);
    cv::pyrUp(coarser, predicted, current.size());
    pyramid.push_back(current - predicted);
    current = coarser;
  }
  pyramid.push_back(current);
  return pyramid;
}

}  // namespace

cv::Mat fuse_average(const cv::Mat& a, const cv::Mat& b) {
  check(a, b);
  return (a + b) / 2.0;
}

cv::Mat fuse_maximum(const cv::Mat& a, const cv::Mat& b) {
  check(a, b);
  return cv::max(a, b);
}

cv::Mat fuse_laplacian(const cv::Mat& a, const cv::Mat& b) {
  check(a, b);
  const std::vector<cv::Mat> from_a = laplacian_pyramid(a), from_b = laplacian_pyramid(b);
  cv::Mat fused = (from_a.back() + from_b.back()) / 2.0;
  for (int level = levels - 1; level >= 0; --level) {
    cv::Mat detail = from_b[level].clone(), finer;
    from_a[level].copyTo(detail, cv::abs(from_a[level]) >= cv::abs(from_b[level]));
    cv::pyrUp(fused, finer, detail.size());
    fused = finer + detail;
  }
  fused.forEach<double>(
      [](double& value, const int*) { value = std::clamp(std::nearbyint(value), 0.0, 255.0); });
  return fused;
}

}  // namespace digfusion::metrics
