// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/analyse/draw.h"

#include <algorithm>
#include <cstdio>
#include <opencv2/imgproc.hpp>

namespace digfusion::pipelines {

namespace {

const cv::Scalar motion_colour(255, 210, 60), object_colour(60, 255, 90), held_colour(150, 215, 160);

std::string label_of(const Detection& detection) {
  char text[32];
  std::snprintf(text, sizeof text, " %.2f", detection.confidence);
  const std::string number = detection.id > 0 ? " #" + std::to_string(detection.id) : std::string();
  return detection.type + number + text;
}

/// Above the box where there is room, on a dark ground so that it can be read before anything.
void write_label(cv::Mat& picture, const std::string& text, const cv::Rect& box, const cv::Scalar& colour) {
  const double size = std::max(picture.rows / 1200., .4);
  int below = 0;
  const cv::Size extent = cv::getTextSize(text, cv::FONT_HERSHEY_SIMPLEX, size, 1, &below);
  const int margin = 2, height = extent.height + below + 2 * margin;
  const int top = box.y >= height ? box.y - height : box.y;
  const int left = std::clamp(box.x, 0, std::max(picture.cols - extent.width - 2 * margin, 0));
  const cv::Rect ground(left, top, extent.width + 2 * margin, height);
  cv::rectangle(picture, ground, cv::Scalar(20, 20, 20), cv::FILLED);
  cv::putText(picture, text, {left + margin, top + margin + extent.height}, cv::FONT_HERSHEY_SIMPLEX, size,
              colour, 1, cv::LINE_AA);
}

}  // namespace

void draw(cv::Mat& picture, const Findings& findings) {
  const int line = std::max(picture.rows / 360, 1);
  for (const MotionArea& area : findings.motion) cv::rectangle(picture, area.box, motion_colour, line);
  for (const FoundObject& object : findings.objects) {
    const cv::Scalar& colour = object.age > 0 ? held_colour : object_colour;
    cv::rectangle(picture, object.detection.box, colour, 2 * line);
    write_label(picture, label_of(object.detection), object.detection.box, colour);
  }
}

}  // namespace digfusion::pipelines
