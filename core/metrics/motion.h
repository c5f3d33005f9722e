// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whether a fused video moves as its sources do: BiSWE and MS2R of VF-Bench (UniVF, arXiv 2505.19858), with
// OpenCV's DIS optical flow where the published figures have RAFT's, so that figures compare among methods
// measured here, not with those of the paper.
#pragma once

#include <opencv2/core.hpp>
#include <opencv2/video/tracking.hpp>
#include <optional>

namespace digfusion::metrics {

/// The motion between a frame and the one before: displacements in pixels, CV_32FC2.
struct FlowPair {
  cv::Mat forward;   ///< from the frame before to this one
  cv::Mat backward;  ///< from this one to the frame before
};

/// The sources' motion between two frames, and where it can be trusted: where both sources' flows lead back
/// to within a pixel of where they started.
struct SourceMotion {
  FlowPair visible, infrared;
  cv::Mat before_valid, now_valid;  ///< CV_8UC1 masks, of the frame before and of this one
};

/// The sources' motion from frame to frame, made once for every method that is measured.
class SourceMotions {
 public:
  SourceMotions();
  /// The next frame's luma on 0..255, CV_64F, one channel, one size, 32×32 pixels or more. Throws
  /// std::invalid_argument for pictures of other kinds or sizes.
  void add(const cv::Mat& visible, const cv::Mat& infrared);
  /// Between the last two frames, and the two before those; with too few frames nothing.
  const std::optional<SourceMotion>& last() const { return last_; }
  const std::optional<SourceMotion>& before() const { return before_; }

 private:
  cv::Ptr<cv::DISOpticalFlow> flow_;
  cv::Mat visible_, infrared_;  // of the last frame, 8 bits
  std::optional<SourceMotion> last_, before_;
};

/// Means over the frames of a clip but its first and last; nothing for fewer than three.
struct Motion {
  /// Bi-directional self-warping error, of 255: what a fused frame differs by from both neighbours brought to
  /// it along the fused video's own flow, the sum of both means where the sources' flows can be trusted.
  std::optional<double> biswe;
  /// Motion smoothness with dual reference videos, in pixels: mean |change of the fused video's flow from one
  /// frame to the next - that of a source's|, the mean over both sources.
  std::optional<double> ms2r;
};

/// One method's fused frames, in step with the sources.
class MotionMeter {
 public:
  MotionMeter();
  /// `fused` as the sources, whose motions have been told of this frame already.
  void add(const cv::Mat& fused, const SourceMotions& sources);
  Motion result() const;

 private:
  cv::Ptr<cv::DISOpticalFlow> flow_;
  cv::Mat fused_[2];  // of the last frame, and of the one before
  FlowPair last_;     // between these two
  double biswe_ = 0, ms2r_ = 0;
  int frames_ = 0, triples_ = 0;
};

}  // namespace digfusion::metrics
