// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/checkerboard.h"

#include <algorithm>
#include <cmath>
#include <opencv2/calib3d.hpp>
#include <opencv2/imgproc.hpp>
#include <stdexcept>
#include <vector>

namespace digfusion::tools {
namespace {

using Corners = std::vector<cv::Point2f>;

constexpr int sought_width = 640;    // small pictures are enlarged for the detector
constexpr double largest_error = 1;  // root mean square, in pixels of the coarser picture

/// Empty where the picture doesn't show the board.
Corners find_corners(const cv::Mat& picture, cv::Size board) {
  const double enlarged = std::max(1., double(sought_width) / picture.cols);
  cv::Mat large, gray;
  cv::resize(picture, large, {}, enlarged, enlarged, cv::INTER_CUBIC);
  cv::normalize(large, gray, 0, 255, cv::NORM_MINMAX, CV_8U);
  Corners corners;
  for (const bool inverted : {false, true}) {
    if (inverted) gray = 255 - gray;
    if (!cv::findChessboardCorners(gray, board, corners,
                                   cv::CALIB_CB_ADAPTIVE_THRESH | cv::CALIB_CB_NORMALIZE_IMAGE))
      continue;
    const int half = std::max(3, int(cv::norm(corners[1] - corners[0]) / 4));
    cv::cornerSubPix(gray, corners, {half, half}, {-1, -1},
                     {cv::TermCriteria::COUNT | cv::TermCriteria::EPS, 50, 1e-3});
    for (cv::Point2f& p : corners) p = {float((p.x + .5) / enlarged - .5), float((p.y + .5) / enlarged - .5)};
    return corners;
  }
  return {};
}

/// A board looks the same turned by 180 degrees: the order whose diagonal runs as the visible one's.
void order_as(const Corners& visible, Corners& infrared) {
  if ((visible.back() - visible.front()).dot(infrared.back() - infrared.front()) < 0)
    std::reverse(infrared.begin(), infrared.end());
}

}  // namespace

Alignment align_by_checkerboard(std::span<const AlignmentPair> pairs, cv::Size board) {
  Corners visible, infrared;
  for (const AlignmentPair& pair : pairs) {
    const Corners seen = find_corners(pair.visible, board);
    Corners hot = find_corners(pair.infrared, board);
    if (seen.empty() || hot.empty()) continue;
    order_as(seen, hot);
    visible.insert(visible.end(), seen.begin(), seen.end());
    infrared.insert(infrared.end(), hot.begin(), hot.end());
  }
  const std::string size = std::to_string(board.width) + "x" + std::to_string(board.height);
  if (visible.empty())
    throw std::runtime_error("no pair shows a checkerboard of " + size +
                             " inner corners to both cameras: count the corners between squares, heat the "
                             "board, and let it fill a third of the picture");
  Alignment result;
  const cv::Mat found = cv::findHomography(infrared, visible, 0);
  if (found.empty()) throw std::runtime_error("the checkerboard's corners lie on a line");
  result.to_visible = found;
  Corners moved;
  cv::perspectiveTransform(infrared, moved, found);
  double sum = 0, length = 0, length_infrared = 0;
  for (std::size_t i = 0; i < moved.size(); ++i) {
    const cv::Point2f d = moved[i] - visible[i];
    sum += d.dot(d);
    if (i > 0)
      length += cv::norm(visible[i] - visible[i - 1]),
          length_infrared += cv::norm(infrared[i] - infrared[i - 1]);
  }
  result.parts = int(moved.size());
  result.residual = std::sqrt(sum / double(moved.size()));
  if (result.residual > largest_error * std::max(1., length / length_infrared))
    result.doubt =
        "the corners don't fit: boards at unlike distances, a moved board, or a lens that bends lines";
  return result;
}

}  // namespace digfusion::tools
