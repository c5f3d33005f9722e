// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/analyse/hog.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace digfusion::pipelines {

namespace {

/// A person fills the middle of the detector's window.
cv::Rect person_in(const cv::Rect& window) {
  return {window.x + window.width / 8, window.y + window.height / 12, window.width * 3 / 4,
          window.height * 5 / 6};
}

cv::Rect shrunk(const cv::Rect& box, double scale) {
  return {cvRound(box.x / scale), cvRound(box.y / scale), cvRound(box.width / scale),
          cvRound(box.height / scale)};
}

/// A lower leg or a bag often looks like a small person: what lies inside a larger box isn't counted.
void drop_nested(std::vector<Detection>& found) {
  const std::vector<Detection> all = found;
  std::erase_if(found, [&](const Detection& small) {
    return std::any_of(all.begin(), all.end(), [&](const Detection& large) {
      return large.box.area() > small.box.area() && (large.box & small.box).area() > .8 * small.box.area();
    });
  });
}

}  // namespace

HogDetector::HogDetector(double threshold, double scale) : threshold_(threshold), scale_(scale) {
  hog_.setSVMDetector(cv::HOGDescriptor::getDefaultPeopleDetector());
}

double HogDetector::confidence(double margin) { return 1 / (1 + std::exp(-margin)); }

std::vector<Detection> HogDetector::detect(const cv::Mat& picture) {
  cv::Mat luma, enlarged;
  cv::cvtColor(picture, luma, cv::COLOR_RGB2GRAY);
  cv::resize(luma, enlarged, {}, scale_, scale_, cv::INTER_CUBIC);
  if (enlarged.cols < hog_.winSize.width || enlarged.rows < hog_.winSize.height) return {};

  std::vector<cv::Rect> windows;
  std::vector<double> margins;
  const cv::Size stride(8, 8), padding(16, 16);
  const double between_scales = 1.05, group = 2;  // OpenCV's own choices
  hog_.detectMultiScale(enlarged, windows, margins, 0, stride, padding, between_scales, group);

  std::vector<Detection> found;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const cv::Rect box = shrunk(person_in(windows[i]), scale_) & cv::Rect({}, picture.size());
    const double sure = confidence(margins[i]);
    if (sure >= threshold_ && !box.empty()) found.push_back({.confidence = sure, .box = box});
  }
  drop_nested(found);
  std::stable_sort(found.begin(), found.end(),
                   [](const Detection& a, const Detection& b) { return a.confidence > b.confidence; });
  return found;
}

}  // namespace digfusion::pipelines
