// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/metrics/hot_target.h"

#include <algorithm>
#include <opencv2/imgproc.hpp>
#include <stdexcept>
#include <vector>

namespace digfusion::metrics {
namespace {

constexpr double sigma = 40, least = 25, share = 0.05;

cv::Mat above_surroundings(const cv::Mat& picture) {
  cv::Mat smooth;
  cv::GaussianBlur(picture, smooth, {}, sigma, sigma, cv::BORDER_REFLECT);
  return picture - smooth;
}

}  // namespace

std::optional<double> hot_target_contrast(const cv::Mat& fused, const cv::Mat& infrared) {
  if (fused.type() != CV_64FC1 || infrared.type() != CV_64FC1 || fused.size() != infrared.size() ||
      fused.empty())
    throw std::invalid_argument("hot-target contrast needs two gray pictures of one size");
  const cv::Mat heat = above_surroundings(infrared), shown = above_surroundings(fused);
  std::vector<double> sorted(heat.begin<double>(), heat.end<double>());
  const auto hottest = sorted.begin() + static_cast<std::ptrdiff_t>((1 - share) * double(sorted.size() - 1));
  std::nth_element(sorted.begin(), hottest, sorted.end());
  const double threshold = std::max(least, *hottest);
  const cv::Mat hot = heat > threshold;
  if (cv::countNonZero(hot) == 0) return std::nullopt;
  return cv::mean(shown, hot)[0] / cv::mean(heat, hot)[0];
}

}  // namespace digfusion::metrics
