// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One Gauss-Newton step that brings two pictures' edge channels together: ESM (Benhimane and Malis, IROS
// 2004), each pixel weighed down by its difference (Geman-McClure).
#pragma once

#include <opencv2/core.hpp>

#include "core/image/edge_channels.h"

namespace digfusion {

/// To coordinates whose zero is the picture's centre and whose unit is half its width.
cv::Matx33d to_unit(cv::Size size);

/// The step is a homography of the grid, 1 + [[p0, p1, p2], [p3, p4, p5], [p6, p7, 0]] in to_unit()'s
/// coordinates; its parameters are p times half the width: pixels at the left and right border's middle.
class EdgeStep {
 public:
  static constexpr int parameters = 8;
  using Normal = cv::Matx<double, parameters, parameters>;
  using Right = cv::Vec<double, parameters>;

  explicit EdgeStep(cv::Size size) : size_(size) {}

  /// One pair: the fixed channels and the others, warped to the same grid; `mask` CV_8U marks where these are
  /// some.
  void add(const EdgeChannels& fixed, const EdgeChannels& moved, const cv::Mat& mask);

  /// How far, weighed with `weight` times the differences' sum, the map after this step should stay at no
  /// perspective, no shear and equal scales (and, with `rigid`, at no scale). `total`: the map that the step
  /// is put before, between coordinates of unit half-width.
  void expect_similarity(const cv::Matx33d& total, double weight, double rigid = 0);

  /// normal() × parameters = right() has the step.
  const Normal& normal() const { return normal_; }
  const Right& right() const { return right_; }

  /// The step on the grid.
  static cv::Matx33d as_map(const Right& parameters, cv::Size size);

 private:
  cv::Size size_;
  Normal normal_ = Normal::zeros();
  Right right_ = Right::all(0);
  double errors_ = 0;
};

/// Solves for the first `count` parameters (2: for the offset alone), all others being zero. Zero where they
/// can't be told.
EdgeStep::Right solve(const EdgeStep::Normal& normal, const EdgeStep::Right& right, int count);

}  // namespace digfusion
