// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/metrics/steadiness.h"

#include <stdexcept>

#include "core/metrics/structure.h"

namespace digfusion::metrics {
namespace {

constexpr double still = 2;  // of 255

/// Mean |now - before| under the mask, over the picture's standard deviation.
double change(const cv::Mat& now, const cv::Mat& before, const cv::Mat& mask) {
  cv::Scalar mean, deviation;
  cv::meanStdDev(now, mean, deviation);
  return deviation[0] > 0 ? cv::mean(cv::abs(now - before), mask)[0] / deviation[0] : 0;
}

}  // namespace

void SteadinessMeter::add(const cv::Mat& visible, const cv::Mat& infrared, const cv::Mat& fused,
                          const cv::Mat& alone) {
  for (const cv::Mat& picture : {visible, infrared, fused, alone})
    if (picture.type() != CV_64FC1 || picture.size() != visible.size() || picture.rows < 11 ||
        picture.cols < 11 || (!visible_.empty() && picture.size() != visible_.size()))
      throw std::invalid_argument("steadiness needs gray frames of one size, 11×11 pixels or more");
  if (!visible_.empty()) {
    const cv::Mat stands = (cv::abs(visible - visible_) < still) & (cv::abs(infrared - infrared_) < still);
    if (cv::countNonZero(stands) > 0) {
      fused_change_ += change(fused, fused_, stands);
      visible_change_ += change(visible, visible_, stands);
      ++still_frames_;
    }
    const cv::Rect inner(similarity_border, similarity_border, visible.cols - 2 * similarity_border,
                         visible.rows - 2 * similarity_border);
    const cv::Mat moves = ~stands(inner);
    if (cv::countNonZero(moves) > 0) {
      similarity_ += cv::mean(similarity_map(fused, alone), moves)[0];
      ++moving_frames_;
    }
  }
  visible_ = visible.clone();
  infrared_ = infrared.clone();
  fused_ = fused.clone();
}

Steadiness SteadinessMeter::result() const {
  Steadiness result;
  if (still_frames_ > 0 && visible_change_ > 0) result.flicker = fused_change_ / visible_change_;
  if (moving_frames_ > 0) result.moving_similarity = similarity_ / moving_frames_;
  return result;
}

}  // namespace digfusion::metrics
