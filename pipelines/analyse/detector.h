// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The interface behind which detectors are exchanged. A further one needs a class derived from Detector and a
// line in make_detector(); the rest of the program doesn't know which it is.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipelines/analyse/detection.h"

namespace digfusion::pipelines {

/// Not thread-safe: one call of detect() at a time.
class Detector {
 public:
  virtual ~Detector() = default;
  /// `picture`: 8-bit RGB. The surest detection comes first. Throws Failure.
  virtual std::vector<Detection> detect(const cv::Mat& picture) = 0;
  virtual std::string name() const = 0;  ///< "HOG", or the model's file name: for messages and reports
};

/// The initialisers are the defaults' only record.
struct DetectorOptions {
  std::string model;              ///< an ONNX file; empty: HOG
  cv::Size model_size{640, 640};  ///< of the model's input
  std::string classes;  ///< a file with one class name a line; empty: COCO's for 80 classes, or numbers
  std::vector<std::string> only;    ///< names of the classes that count; empty: all
  std::optional<double> threshold;  ///< smallest confidence; not given: the detector's own below
  double nms = .45;    ///< model: overlap from which the less sure of two boxes of a class is dropped
  double scale = 1.5;  ///< HOG: how much the picture is enlarged first

  static constexpr double hog_threshold = .6;
  static constexpr double model_threshold = .4;
};

/// Reads the model, if there is one, and tries it on a blank picture. Throws Failure: the file can't be read,
/// is no ONNX, its output isn't a YOLO's (says its shape, and what is expected); UsageFailure: `only` names a
/// class that the model hasn't.
std::unique_ptr<Detector> make_detector(const DetectorOptions& options);

}  // namespace digfusion::pipelines
