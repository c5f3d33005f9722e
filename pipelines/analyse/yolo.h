// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Detection by a model of the YOLO family, exported to ONNX without non-maximum suppression, run by OpenCV's
// DNN module on the processor. Two shapes of output are known:
//   rows     [1, N, 5 + C]  YOLOv5, v7: x, y, width, height, objectness, C class scores
//   columns  [1, 4 + C, N]  YOLOv8, v9, v11: x, y, width, height, C class scores
// Boxes are middle and size in pixels of the network's input; scores are 0..1.
#pragma once

#include <opencv2/dnn.hpp>

#include "pipelines/analyse/detector.h"

namespace digfusion::pipelines {

struct YoloOutput {
  enum class Layout { rows, columns };
  Layout layout = Layout::rows;
  int candidates = 0;  ///< N
  int classes = 0;     ///< C
};

/// What an output of this shape is. `classes`: how many names the user gave; without them the longer side is
/// N. Throws Failure, which says the shape and what is expected.
YoloOutput read_shape(const std::vector<int>& shape, std::optional<int> classes);

/// How a picture lies in the network's input: shrunk or enlarged to fit, in the middle, its shape kept.
struct Letterbox {
  Letterbox(cv::Size picture, cv::Size input);
  cv::Mat apply(const cv::Mat& picture) const;            ///< `input` in size, gray around the picture
  cv::Rect to_picture(const cv::Rect2d& in_input) const;  ///< clipped to the picture; may be empty

  cv::Size picture, input;
  double scale;
  cv::Point offset;  ///< of the picture's corner in the input
};

/// A candidate that reaches the threshold: its surest class, the box in pixels of the input.
struct Candidate {
  int label = 0;
  double confidence = 0;
  cv::Rect2d box;
};
/// `data`: the output's floats as they lie in memory.
std::vector<Candidate> decode(const float* data, const YoloOutput& output, double threshold);

/// The candidates left, the surest first, when of two of one class that overlap by `overlap` or more the less
/// sure is dropped.
std::vector<Candidate> suppress(const std::vector<Candidate>& candidates, double overlap);

class YoloDetector : public Detector {
 public:
  explicit YoloDetector(const DetectorOptions& options);  ///< as make_detector()
  std::vector<Detection> detect(const cv::Mat& picture) override;
  std::string name() const override;

 private:
  void find_output();                        ///< runs the network once and sets output_ and output_index_
  const cv::Mat& run(const cv::Mat& input);  ///< the output that matters; throws cv::Exception

  DetectorOptions options_;
  double threshold_;
  std::vector<std::string> names_;
  std::vector<bool> counts_;  ///< of each class: whether it is among `only`
  cv::dnn::Net net_;
  std::vector<cv::Mat> outputs_;
  std::size_t output_index_ = 0;
  YoloOutput output_;
};

}  // namespace digfusion::pipelines
