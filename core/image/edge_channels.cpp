// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/edge_channels.h"

#include <cmath>
#include <opencv2/imgproc.hpp>

namespace digfusion {
namespace {

constexpr double softness = 1.0;  // standard deviations of both filters, in pixels

bool is_affine(const cv::Matx33d& m) { return m(2, 0) == 0 && m(2, 1) == 0; }

void warp(const cv::Mat& from, cv::Mat& to, const cv::Matx33d& m, cv::Size size, int flags, int border) {
  flags |= cv::WARP_INVERSE_MAP;
  if (is_affine(m))
    cv::warpAffine(from, to, m.get_minor<2, 3>(0, 0) * (1 / m(2, 2)), size, flags, border);
  else
    cv::warpPerspective(from, to, m, size, flags, border);
}

}  // namespace

EdgeChannels edge_channels(const cv::Mat& picture, const cv::Mat& mask) {
  cv::Mat smooth, x, y;
  cv::GaussianBlur(picture, smooth, {}, softness, 0, cv::BORDER_REPLICATE);
  cv::Sobel(smooth, x, CV_32F, 1, 0, 3, 1, 0, cv::BORDER_REPLICATE);
  cv::Sobel(smooth, y, CV_32F, 0, 1, 3, 1, 0, cv::BORDER_REPLICATE);
  EdgeChannels result;
  for (cv::Mat& channel : result) channel.create(picture.size(), CV_32F);
  for (int row = 0; row < picture.rows; ++row) {
    const float *gx = x.ptr<float>(row), *gy = y.ptr<float>(row);
    float *cosine = result[0].ptr<float>(row), *sine = result[1].ptr<float>(row),
          *strength = result[2].ptr<float>(row);
    for (int i = 0; i < picture.cols; ++i) {
      const float xx = gx[i] * gx[i], yy = gy[i] * gy[i], magnitude = std::sqrt(xx + yy),
                  reciprocal = 1 / (magnitude + 1e-12f);
      cosine[i] = (xx - yy) * reciprocal;
      sine[i] = 2 * gx[i] * gy[i] * reciprocal;
      strength[i] = magnitude;
    }
  }
  // The small number keeps a picture without edges from a division by zero.
  const auto mean = float(cv::mean(result[2], mask)[0]) + 1e-6f;
  for (cv::Mat& channel : result) cv::GaussianBlur(channel, channel, {}, softness, 0, cv::BORDER_REPLICATE);
  const cv::Mat share = 1 / (result[2] + mean);
  for (cv::Mat& channel : result) channel = channel.mul(share);
  return result;
}

EdgeChannels warped(const EdgeChannels& channels, const cv::Matx33d& from, cv::Size size) {
  EdgeChannels result;
  for (std::size_t k = 0; k < channels.size(); ++k)
    warp(channels[k], result[k], from, size, cv::INTER_LINEAR, cv::BORDER_REPLICATE);
  return result;
}

cv::Mat warped_mask(const cv::Mat& mask, cv::Size source, const cv::Matx33d& from, cv::Size size) {
  cv::Mat result;
  warp(mask.empty() ? cv::Mat(source, CV_8U, cv::Scalar(255)) : mask, result, from, size, cv::INTER_NEAREST,
       cv::BORDER_CONSTANT);
  cv::erode(result, result, {}, {-1, -1}, 3, cv::BORDER_CONSTANT, 0);
  return result;
}

cv::Mat difference(const EdgeChannels& a, const EdgeChannels& b) {
  cv::Mat sum = cv::Mat::zeros(a[0].size(), CV_32F);
  for (std::size_t k = 0; k < a.size(); ++k) {
    const cv::Mat d = a[k] - b[k];
    sum += d.mul(d);
  }
  return sum;
}

}  // namespace digfusion
