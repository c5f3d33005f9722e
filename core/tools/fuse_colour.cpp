// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/fuse_colour.h"

#include <array>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace digfusion::tools {
namespace {

constexpr double white = 65535;  // of a 16-bit luma

double white_of(const cv::Mat& picture) { return picture.depth() == CV_16U ? 65535 : 255; }

/// Y', Cr, Cb on 0..1 and ±.5 around .5.
cv::Mat to_ycrcb(const cv::Mat& picture) {
  cv::Mat colour, real, result;
  if (picture.channels() == 4)
    cv::cvtColor(picture, colour, cv::COLOR_BGRA2BGR);
  else
    colour = picture;
  colour.convertTo(real, CV_32F, 1 / white_of(picture));
  cv::cvtColor(real, result, cv::COLOR_BGR2YCrCb);
  return result;
}

}  // namespace

cv::Mat deep_luma(const cv::Mat& picture) {
  cv::Mat result, gray = picture;
  double scale = white / white_of(picture);
  if (picture.channels() > 1) {
    cv::extractChannel(to_ycrcb(picture), gray, 0);
    scale = white;
  }
  gray.convertTo(result, CV_16U, scale);
  return result;
}

cv::Mat fuse_chroma(std::span<const cv::Mat> pictures) {
  cv::Mat sum, weights;
  for (const cv::Mat& picture : pictures) {
    if (picture.channels() == 1) continue;
    cv::Mat chroma(picture.size(), CV_32FC2);
    const cv::Mat ycrcb = to_ycrcb(picture);
    cv::mixChannels(std::array{ycrcb}, std::array{chroma}, {2, 0, 1, 1});
    chroma -= cv::Scalar::all(0.5);
    const cv::Mat weight = cv::abs(chroma);
    if (sum.empty()) {
      sum = cv::Mat::zeros(picture.size(), CV_32FC2);
      weights = sum.clone();
    }
    sum += weight.mul(chroma);
    weights += weight;
  }
  if (!sum.empty()) sum /= cv::max(weights, 1e-6);
  return sum;
}

cv::Mat join_colour(const cv::Mat& luma, const cv::Mat& chroma, const cv::Mat& like) {
  const double scale = white_of(like);
  if (chroma.empty() && like.channels() == 1) {
    cv::Mat gray;
    luma.convertTo(gray, like.depth(), scale / white);
    return gray;
  }
  cv::Mat real, colour;
  luma.convertTo(real, CV_32F, 1 / white);
  cv::Mat ycrcb(luma.size(), CV_32FC3, cv::Scalar::all(0.5));
  cv::insertChannel(real, ycrcb, 0);
  if (!chroma.empty()) {
    const cv::Mat shifted = chroma + cv::Scalar::all(0.5);
    cv::mixChannels(std::array{shifted}, std::array{ycrcb}, {0, 2, 1, 1});
  }
  cv::cvtColor(ycrcb, real, cv::COLOR_YCrCb2BGR);
  real.convertTo(colour, like.depth(), scale);
  if (like.channels() < 4) return colour;
  cv::Mat with_alpha(like.size(), like.type());
  cv::mixChannels(std::array{colour, like}, std::array{with_alpha}, {0, 0, 1, 1, 2, 2, 6, 3});
  return with_alpha;
}

}  // namespace digfusion::tools
