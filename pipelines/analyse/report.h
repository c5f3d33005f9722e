// SPDX-License-Identifier: LGPL-2.1-or-later
//
// --report: the same detector on the visible, the infrared and the fused pictures of a clip, the paper's
// detection experiment in kind. There is no ground truth in it: it counts what the detector says, and how far
// the three agree.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "pipelines/analyse/detector.h"
#include "pipelines/analyse/statistics.h"
#include "pipelines/analyse/to_rgb.h"

namespace digfusion::pipelines {

/// What it was made from, for its heading.
struct ReportFacts {
  std::string visible, infrared;  ///< names
  std::string detector;           ///< with its threshold
};

/// Not thread-safe.
class Report {
 public:
  /// Makes `folder` if need be; older reports in it are replaced. Throws Failure: can't be made.
  Report(std::filesystem::path folder, std::unique_ptr<Detector> detector, ReportFacts facts);

  /// Looks for people in three pictures of one moment; without one of the sources there is nothing to
  /// compare. Every two seconds they are also drawn side by side into frame-NNNNNN.png. Throws
  /// std::runtime_error.
  void add(const PerStream<Frame>& frames);

  /// report.csv (counts of each moment), report.md (the summary), report.png (the curves, where gnuplot is
  /// installed). Throws std::runtime_error: no moments, can't be written. Returns a line for the operator.
  std::string write() const;

 private:
  void write_example(PerStream<cv::Mat>& pictures) const;

  const std::filesystem::path folder_;
  const std::unique_ptr<Detector> detector_;
  const ReportFacts facts_;
  PerStream<ToRgb> to_rgb_;
  std::vector<Moment> moments_;
  double next_example_ = 0;
};

}  // namespace digfusion::pipelines
