// SPDX-License-Identifier: LGPL-2.1-or-later
//
// People by histograms of oriented gradients and a linear SVM (Dalal and Triggs, "Histograms of oriented
// gradients for human detection", CVPR 2005), with the detector that OpenCV brings: standing people, seen
// whole, at least 96 pixels tall after enlarging. It needs no file and runs on any processor, and it is from
// 2005.
#pragma once

#include <opencv2/objdetect.hpp>

#include "pipelines/analyse/detector.h"

namespace digfusion::pipelines {

class HogDetector : public Detector {
 public:
  /// `threshold`: of confidence(); `scale`: the picture is enlarged so much first, since the detector's
  /// window is 64 by 128 pixels and a person fills three quarters of it.
  HogDetector(double threshold, double scale);
  std::vector<Detection> detect(const cv::Mat& picture) override;
  std::string name() const override { return "HOG"; }

  /// The SVM's margin isn't a probability. So that thresholds lie on 0..1 for every detector, it is put
  /// through the logistic function: .5 is the SVM's own decision.
  static double confidence(double margin);

 private:
  cv::HOGDescriptor hog_;
  double threshold_, scale_;
};

}  // namespace digfusion::pipelines
