// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/edge_channels.h"

#include <cmath>
#include <opencv2/imgproc.hpp>

namespace digfusion::tools {
namespace {

struct Gradients {
  explicit Gradients(const cv::Mat& picture) {
    cv::Mat smooth;
    cv::GaussianBlur(picture, smooth, {}, 1.0, 0, cv::BORDER_REPLICATE);
    cv::Sobel(smooth, x, CV_32F, 1, 0, 3, 1, 0, cv::BORDER_REPLICATE);
    cv::Sobel(smooth, y, CV_32F, 0, 1, 3, 1, 0, cv::BORDER_REPLICATE);
  }
  cv::Mat x, y;
};

/// Keeps a picture without edges from a division by zero.
float mean_strength(const cv::Mat& strength, const cv::Mat& mask) {
  return float(cv::mean(strength, mask)[0]) + 1e-6f;
}

}  // namespace

EdgeChannels edge_channels(const cv::Mat& picture, const cv::Mat& mask) {
  const Gradients gradient(picture);
  EdgeChannels raw, result;
  for (int k = 0; k < edge_directions; ++k) {
    const double angle = CV_PI * k / edge_directions;
    cv::Mat along = gradient.x * std::cos(angle) + gradient.y * std::sin(angle);
    along = cv::abs(along);
    cv::GaussianBlur(along, raw[std::size_t(k)], {}, 1.0, 0, cv::BORDER_REPLICATE);
  }
  cv::Mat energy = cv::Mat::zeros(picture.size(), CV_32F);
  for (std::size_t k = 0; k < raw.size(); ++k) {
    const cv::Mat &before = raw[(k + edge_directions - 1) % edge_directions],
                  &after = raw[(k + 1) % edge_directions];
    result[k] = raw[k] * 0.5 + before * 0.25 + after * 0.25;
    energy += result[k].mul(result[k]);
  }
  cv::sqrt(energy, energy);
  energy += mean_strength(energy, mask);
  for (cv::Mat& channel : result) channel /= energy;
  return result;
}

cv::Mat edge_angles(const cv::Mat& picture, const cv::Mat& mask) {
  const Gradients gradient(picture);
  cv::Mat energy = gradient.x.mul(gradient.x) + gradient.y.mul(gradient.y), strength;
  cv::sqrt(energy, strength);
  const float mean = mean_strength(strength, mask);
  energy += mean * mean;
  cv::Mat parts[] = {(gradient.x.mul(gradient.x) - gradient.y.mul(gradient.y)) / energy,
                     2 * gradient.x.mul(gradient.y) / energy};
  cv::Mat angles;
  cv::merge(parts, 2, angles);
  angles.setTo(cv::Scalar::all(0), mask == 0);
  return angles;
}

}  // namespace digfusion::tools
