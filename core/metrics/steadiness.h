// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whether a fused video is as steady as what it was made of, and as quick.
#pragma once

#include <opencv2/core.hpp>
#include <optional>

namespace digfusion::metrics {

/// Means over the frames of a clip.
struct Steadiness {
  /// (mean |Δf| / SD f) of the fused frames over (mean |Δv| / SD v) of the visible ones, where the scene
  /// stands still: both sources change by less than 2 of 255 from the frame before. Nothing without such
  /// pixels, or where the visible frames don't change at all there.
  std::optional<double> flicker;
  /// SSIM of the fused frame with the one that is fused of the same sources alone, where the scene moves
  /// (everywhere else): below 1 where the past leaves trails. Nothing without such pixels.
  std::optional<double> moving_similarity;
};

/// Takes the frames of a clip one after another: luma on 0..255, CV_64F, one channel, one size.
class SteadinessMeter {
 public:
  /// `fused`: by the method that has seen the frames before; `alone`: by the method afresh. Throws
  /// std::invalid_argument for pictures of other kinds or sizes.
  void add(const cv::Mat& visible, const cv::Mat& infrared, const cv::Mat& fused, const cv::Mat& alone);
  Steadiness result() const;

 private:
  cv::Mat visible_, infrared_, fused_;  // of the frame before
  double fused_change_ = 0, visible_change_ = 0, similarity_ = 0;
  int still_frames_ = 0, moving_frames_ = 0;
};

}  // namespace digfusion::metrics
