// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/analyse/yolo.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgproc.hpp>

#include "pipelines/analyse/class_names.h"
#include "pipelines/common/failure.h"

namespace digfusion::pipelines {

namespace {

std::string text_of(const std::vector<int>& shape) {
  std::string text = "[";
  for (const int size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

std::vector<int> shape_of(const cv::Mat& output) { return {output.size.p, output.size.p + output.dims}; }

/// OpenCV tells its own errors on standard error as well; while we explain them that is noise.
class QuietOpenCv {
 public:
  ~QuietOpenCv() { cv::utils::logging::setLogLevel(before_); }

 private:
  const cv::utils::logging::LogLevel before_ =
      cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
};

cv::dnn::Net read_model(const std::string& path) {
  if (!std::ifstream(path)) throw Failure("the model " + path + " can't be read");
  try {
    return cv::dnn::readNetFromONNX(path);
  } catch (const cv::Exception& error) {
    throw Failure(
        "the model " + path + " can't be used: OpenCV says \"" + error.err +
        "\"; an ONNX file is expected, exported with a fixed size and an opset that OpenCV " CV_VERSION
        " knows (Ultralytics: format=onnx opset=12)");
  }
}

constexpr const char* expected =
    "expected is [1, N, 5 + classes] (YOLOv5) or [1, 4 + classes, N] (YOLOv8 and later), exported without "
    "NMS";

}  // namespace

YoloOutput read_shape(const std::vector<int>& shape, std::optional<int> classes) {
  using Layout = YoloOutput::Layout;
  const auto refuse = [&](const std::string& why = {}) {
    return Failure("the model's output has the shape " + text_of(shape) + why + "; " + expected);
  };
  if (shape.size() != 3 || shape[0] != 1) throw refuse();
  const int rows = shape[1], columns = shape[2];
  // What an end-to-end export says: 300 boxes as corners, score, class.
  if (rows == 300 && columns == 6) throw refuse(", which is that of an export with NMS");
  const bool as_rows = columns >= 6 && (classes ? columns == 5 + *classes : rows > columns);
  const bool as_columns = rows >= 5 && (classes ? rows == 4 + *classes : rows < columns);
  if (as_rows && (!as_columns || rows > columns)) return {Layout::rows, rows, columns - 5};
  if (as_columns) return {Layout::columns, columns, rows - 4};
  throw refuse(classes ? " and there are " + std::to_string(*classes) + " class names" : "");
}

Letterbox::Letterbox(cv::Size picture, cv::Size input)
    : picture(picture),
      input(input),
      scale(std::min(double(input.width) / picture.width, double(input.height) / picture.height)),
      offset((input.width - cvRound(picture.width * scale)) / 2,
             (input.height - cvRound(picture.height * scale)) / 2) {}

cv::Mat Letterbox::apply(const cv::Mat& from) const {
  constexpr double surround = 114;  // the gray that these models were trained with
  cv::Mat whole(input, from.type(), cv::Scalar::all(surround));
  const cv::Size size(cvRound(picture.width * scale), cvRound(picture.height * scale));
  cv::resize(from, whole(cv::Rect(offset, size)), size, 0, 0, scale < 1 ? cv::INTER_AREA : cv::INTER_LINEAR);
  return whole;
}

cv::Rect Letterbox::to_picture(const cv::Rect2d& box) const {
  const cv::Point corner(cvRound((box.x - offset.x) / scale), cvRound((box.y - offset.y) / scale));
  const cv::Point end(cvRound((box.x + box.width - offset.x) / scale),
                      cvRound((box.y + box.height - offset.y) / scale));
  return cv::Rect(corner, end) & cv::Rect({}, picture);
}

std::vector<Candidate> decode(const float* data, const YoloOutput& output, double threshold) {
  const bool rows = output.layout == YoloOutput::Layout::rows;
  const int fields = output.classes + (rows ? 5 : 4);
  const auto field = [&](int candidate, int number) {
    return rows ? data[std::size_t(candidate) * fields + number]
                : data[std::size_t(number) * output.candidates + candidate];
  };
  std::vector<Candidate> found;
  for (int i = 0; i < output.candidates; ++i) {
    const float objectness = rows ? field(i, 4) : 1;
    if (!(objectness >= threshold)) continue;  // no class score exceeds 1; NaN is left out too
    int label = 0;
    float score = 0;
    for (int c = 0; c < output.classes; ++c)
      if (const float own = field(i, fields - output.classes + c); own > score) label = c, score = own;
    const double confidence = std::min(double(objectness) * score, 1.);
    if (!(confidence >= threshold)) continue;
    const double width = field(i, 2), height = field(i, 3);
    found.push_back({label, confidence, {field(i, 0) - width / 2, field(i, 1) - height / 2, width, height}});
  }
  return found;
}

std::vector<Candidate> suppress(const std::vector<Candidate>& candidates, double overlap) {
  // Boxes of different classes are moved so far apart that they don't compete.
  constexpr double apart = 1e5;
  std::vector<cv::Rect2d> boxes;
  std::vector<float> scores;
  for (const Candidate& candidate : candidates) {
    boxes.push_back(candidate.box + cv::Point2d(candidate.label * apart, 0));
    scores.push_back(static_cast<float>(candidate.confidence));
  }
  std::vector<int> kept;
  cv::dnn::NMSBoxes(boxes, scores, 0, static_cast<float>(overlap), kept);
  std::vector<Candidate> left;
  for (const int index : kept) left.push_back(candidates[index]);
  return left;
}

YoloDetector::YoloDetector(const DetectorOptions& options)
    : options_(options), threshold_(options.threshold.value_or(DetectorOptions::model_threshold)) {
  const QuietOpenCv quiet;
  if (!options.classes.empty()) names_ = read_names(options.classes);
  net_ = read_model(options.model);
  find_output();
  if (names_.empty() && output_.classes == static_cast<int>(coco_names().size())) names_ = coco_names();
  for (int c = static_cast<int>(names_.size()); c < output_.classes; ++c)
    names_.push_back("class " + std::to_string(c));

  counts_.assign(names_.size(), options.only.empty());
  for (const std::string& name : options.only) {
    const auto at = std::find(names_.begin(), names_.end(), name);
    if (at == names_.end())
      throw UsageFailure("--only " + name + ": the model has no such class; its first ones are " + names_[0] +
                         (names_.size() > 1 ? " and " + names_[1] : ""));
    counts_[at - names_.begin()] = true;
  }
}

std::string YoloDetector::name() const { return std::filesystem::path(options_.model).filename(); }

void YoloDetector::find_output() {
  const auto classes = names_.empty() ? std::nullopt : std::optional(static_cast<int>(names_.size()));
  try {
    run(cv::Mat(options_.model_size, CV_8UC3, cv::Scalar::all(0)));
  } catch (const cv::Exception& error) {
    throw Failure(
        "the model " + options_.model + " doesn't take a picture of " +
        std::to_string(options_.model_size.width) + "x" + std::to_string(options_.model_size.height) +
        " pixels: give the size that it was exported with, --detector-size WIDTHxHEIGHT (OpenCV says \"" +
        error.err + "\")");
  }
  // Some exports have the detection heads beside the whole: the first that fits is taken.
  std::string problem;
  for (output_index_ = 0; output_index_ < outputs_.size(); ++output_index_) {
    try {
      output_ = read_shape(shape_of(outputs_[output_index_]), classes);
      return;
    } catch (const Failure& failure) {
      if (problem.empty()) problem = failure.what();
    }
  }
  throw Failure(options_.model + ": " + (problem.empty() ? std::string("the model has no output") : problem));
}

const cv::Mat& YoloDetector::run(const cv::Mat& input) {
  net_.setInput(cv::dnn::blobFromImage(input, 1 / 255.));
  net_.forward(outputs_, net_.getUnconnectedOutLayersNames());
  return outputs_.at(std::min(output_index_, outputs_.size() - 1));
}

std::vector<Detection> YoloDetector::detect(const cv::Mat& picture) {
  const Letterbox letterbox(picture.size(), options_.model_size);
  std::vector<Candidate> candidates;
  try {
    candidates = decode(run(letterbox.apply(picture)).ptr<float>(), output_, threshold_);
  } catch (const cv::Exception& error) {
    throw Failure("the model " + options_.model + " failed: " + error.err);
  }
  std::vector<Detection> found;
  for (const Candidate& candidate : suppress(candidates, options_.nms)) {
    const cv::Rect box = letterbox.to_picture(candidate.box);
    if (box.empty() || !counts_[candidate.label]) continue;
    found.push_back({.type = names_[candidate.label],
                     .label = candidate.label,
                     .confidence = candidate.confidence,
                     .box = box});
  }
  return found;
}

}  // namespace digfusion::pipelines
