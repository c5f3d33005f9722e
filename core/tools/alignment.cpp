// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/alignment.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <optional>
#include <stdexcept>

#include "core/image/edge_channels.h"
#include "core/image/edge_step.h"
#include "core/tools/alignment_start.h"

namespace digfusion::tools {
namespace {

/// How firmly similarity is expected: on three generated pairs the mean corner error was 0.74 px with 30,
/// 1.1 with 300 and 1.3 with 3000; on real ones 5 was worse.
constexpr double expectation = 30;
constexpr int reach = 6;                // of the search for a part's offset, on the grid
constexpr double least_contrast = .12;  // of a part's offset to others
constexpr double near = 2;              // offsets that agree, on the grid
constexpr int fewest_parts = 6;
constexpr double least_agreeing = .6;
constexpr int coarsest = 120, finest = 800;  // longest sides of the grids

double scale_of(const cv::Matx33d& h, cv::Size infrared) {
  const double x = infrared.width / 2., y = infrared.height / 2., z = h(2, 0) * x + h(2, 1) * y + h(2, 2);
  const double u = (h(0, 0) * x + h(0, 1) * y + h(0, 2)) / z, v = (h(1, 0) * x + h(1, 1) * y + h(1, 2)) / z;
  const double a = (h(0, 0) - u * h(2, 0)) / z, b = (h(0, 1) - u * h(2, 1)) / z,
               c = (h(1, 0) - v * h(2, 0)) / z, d = (h(1, 1) - v * h(2, 1)) / z;
  return std::sqrt(std::abs(a * d - b * c));
}

/// The pairs on a grid of the visible picture's shape.
class Level {
 public:
  Level(std::span<const AlignmentPair> pairs, int side, double infrared_scale) {
    const cv::Size full = pairs[0].visible.size();
    const double reduction = std::min(1., double(side) / std::max(full.width, full.height));
    size = {std::max(16, cvRound(full.width * reduction)), std::max(16, cvRound(full.height * reduction))};
    to_full = scaling(double(full.width) / size.width, double(full.height) / size.height);
    const double to_grid = infrared_scale * reduction;  // an infrared pixel on the grid
    for (const AlignmentPair& pair : pairs) {
      cv::Mat small, soft = pair.infrared.clone();
      cv::resize(pair.visible, small, size, 0, 0, cv::INTER_AREA);
      // Both as soft as the coarser of them.
      if (to_grid > 1.3) cv::GaussianBlur(small, small, {}, 0.5 * to_grid);
      if (to_grid < 0.8) cv::GaussianBlur(soft, soft, {}, 0.5 / to_grid);
      visible.push_back(edge_channels(small));
      infrared.push_back(soft);
    }
  }

  cv::Size size;
  cv::Matx33d to_full;  ///< from this grid to the visible picture's
  std::vector<EdgeChannels> visible;
  std::vector<cv::Mat> infrared;
};

/// The infrared picture's channels on the grid.
struct Warped {
  Warped(const cv::Mat& infrared, const cv::Matx33d& from_grid, cv::Size size)
      : mask(warped_mask({}, infrared.size(), from_grid, size)) {
    cv::Mat picture;
    cv::warpPerspective(infrared, picture, from_grid, size, cv::INTER_LINEAR | cv::WARP_INVERSE_MAP,
                        cv::BORDER_REPLICATE);
    channels = edge_channels(picture, mask);
  }
  EdgeChannels channels;
  cv::Mat mask;
};

/// Improves the inverse of to_visible on one grid.
cv::Matx33d refine(const Level& level, cv::Matx33d to_infrared, int parameters, int steps) {
  for (int i = 0; i < steps; ++i) {
    EdgeStep step(level.size);
    for (std::size_t k = 0; k < level.visible.size(); ++k) {
      const Warped warped(level.infrared[k], to_infrared * level.to_full, level.size);
      step.add(level.visible[k], warped.channels, warped.mask);
    }
    step.expect_similarity(
        to_unit(level.infrared[0].size()) * to_infrared * level.to_full * to_unit(level.size).inv(),
        expectation);
    const EdgeStep::Right found = solve(step.normal(), step.right(), parameters);
    const double length = cv::norm(found, cv::NORM_L1);
    const cv::Matx33d moved = EdgeStep::as_map(found, level.size);
    to_infrared = to_infrared * level.to_full * moved * level.to_full.inv();
    to_infrared *= 1 / to_infrared(2, 2);
    if (length < 0.01) break;
  }
  return to_infrared;
}

/// The channels' correlation coefficient over the common area, times the root of that area's share of the
/// grid.
double likeness(const Level& level, const cv::Matx33d& to_infrared) {
  double sum = 0;
  for (std::size_t k = 0; k < level.visible.size(); ++k) {
    const Warped warped(level.infrared[k], to_infrared * level.to_full, level.size);
    const double area = cv::countNonZero(warped.mask);
    double dot = 0, a = 0, b = 0;
    for (std::size_t c = 0; c < warped.channels.size(); ++c) {
      cv::Mat x = level.visible[k][c] - cv::mean(level.visible[k][c], warped.mask)[0],
              y = warped.channels[c] - cv::mean(warped.channels[c], warped.mask)[0];
      x.setTo(0, warped.mask == 0);
      y.setTo(0, warped.mask == 0);
      dot += x.dot(y), a += x.dot(x), b += y.dot(y);
    }
    sum += dot / std::sqrt(a * b + 1e-12) * std::sqrt(area / level.size.area());
  }
  return sum / double(level.visible.size());
}

/// How far a part of the pictures lies apart, on the grid; nothing where that can't be told.
std::optional<cv::Point2d> offset_of(const EdgeChannels& visible, const Warped& warped, cv::Rect part) {
  const cv::Rect around(part.x - reach, part.y - reach, part.width + 2 * reach, part.height + 2 * reach);
  if (cv::countNonZero(warped.mask(around)) < around.area()) return {};
  cv::Mat sum, one;
  for (std::size_t k = 0; k < visible.size(); ++k) {
    cv::matchTemplate(warped.channels[k](around), visible[k](part), one, cv::TM_SQDIFF);
    if (sum.empty())
      sum = one.clone();
    else
      sum += one;
  }
  double least = 0;
  cv::Point at;
  cv::minMaxLoc(sum, &least, nullptr, &at, nullptr);
  if (least > (1 - least_contrast) * cv::mean(sum)[0]) return {};
  const auto between = [](double before, double here, double after) {  // a parabola's lowest point
    const double curve = before - 2 * here + after;
    return curve > 0 ? (before - after) / 2 / curve : 0.;
  };
  cv::Point2d offset(at.x - reach, at.y - reach);
  if (at.x > 0 && at.x < 2 * reach)
    offset.x += between(sum.at<float>(at.y, at.x - 1), least, sum.at<float>(at.y, at.x + 1));
  if (at.y > 0 && at.y < 2 * reach)
    offset.y += between(sum.at<float>(at.y - 1, at.x), least, sum.at<float>(at.y + 1, at.x));
  return offset;
}

/// Fills in what the parts tell.
void judge(const Level& level, Alignment& result) {
  const cv::Matx33d to_infrared = result.to_visible.inv();
  const int side = std::max(24, std::max(level.size.width, level.size.height) / 8);
  std::vector<double> apart;
  double inside = 0;
  for (std::size_t k = 0; k < level.visible.size(); ++k) {
    const Warped warped(level.infrared[k], to_infrared * level.to_full, level.size);
    inside += cv::countNonZero(warped.mask);
    for (int y = reach; y + side + reach <= level.size.height; y += side / 2)
      for (int x = reach; x + side + reach <= level.size.width; x += side / 2)
        if (const auto offset = offset_of(level.visible[k], warped, {x, y, side, side}))
          apart.push_back(std::hypot(offset->x, offset->y));
  }
  result.parts = int(apart.size());
  const double area =
      std::pow(scale_of(result.to_visible, level.infrared[0].size()) / level.to_full(0, 0), 2) *
      level.infrared[0].size().area();
  result.overlap = std::min(1., inside / double(level.visible.size()) / area);
  if (apart.empty()) return;
  std::sort(apart.begin(), apart.end());
  result.residual = apart[apart.size() / 2] * level.to_full(0, 0);
  result.agreeing =
      double(std::upper_bound(apart.begin(), apart.end(), near) - apart.begin()) / double(apart.size());
}

std::string doubt_of(const Alignment& a) {
  if (a.parts < fewest_parts)
    return "only " + std::to_string(a.parts) + " parts of the pictures have edges that both cameras see";
  if (a.agreeing < least_agreeing)
    return "only " + std::to_string(std::lround(100 * a.agreeing)) +
           " of 100 parts of the pictures agree on the place";
  return "";
}

/// How many of a picture's first lines have nothing in them: the frame around the picture that grabbers and
/// warps leave, whose border is no edge of the scene. `line` gives the n-th.
template <class Line>
int frame_of(const cv::Mat& picture, int lines, const Line& line) {
  constexpr double nothing = .1;  // standard deviations of the picture
  constexpr int margin = 2;       // the frame's blurred border
  cv::Scalar mean, whole, spread;
  cv::meanStdDev(picture, mean, whole);
  int n = 0;
  for (; n < lines / 8; ++n) {
    cv::meanStdDev(line(n), mean, spread);
    if (spread[0] > nothing * whole[0]) break;
  }
  const bool is_frame = n > 0 && n < lines / 8;  // more than that is a wall or the sky
  return is_frame ? n + margin : 0;
}

/// What is within the frames of all pictures.
cv::Rect inner_part(std::span<const AlignmentPair> pairs, cv::Mat AlignmentPair::*which) {
  const cv::Size size = (pairs[0].*which).size();
  int left = 0, right = 0, top = 0, bottom = 0;
  for (const AlignmentPair& pair : pairs) {
    const cv::Mat& p = pair.*which;
    left = std::max(left, frame_of(p, p.cols, [&](int n) { return p.col(n); }));
    right = std::max(right, frame_of(p, p.cols, [&](int n) { return p.col(p.cols - 1 - n); }));
    top = std::max(top, frame_of(p, p.rows, [&](int n) { return p.row(n); }));
    bottom = std::max(bottom, frame_of(p, p.rows, [&](int n) { return p.row(p.rows - 1 - n); }));
  }
  return {left, top, size.width - left - right, size.height - top - bottom};
}

cv::Matx33d shifted(double x, double y) { return {1, 0, x, 0, 1, y, 0, 0, 1}; }

Alignment align_without_frames(std::span<const AlignmentPair> pairs) {
  const cv::Size full = pairs[0].visible.size(), infrared = pairs[0].infrared.size();
  const int side = std::max(full.width, full.height);
  const std::vector<AlignmentStart> starts = find_starts(pairs);
  if (starts.empty()) throw std::runtime_error("the pictures are too small to align");
  cv::Matx33d best = starts[0].to_visible.inv();
  double best_score = -1;
  for (const AlignmentStart& start : starts) {
    const double scale = scale_of(start.to_visible, infrared);
    const Level small(pairs, coarsest, scale), middle(pairs, 2 * coarsest, scale);
    cv::Matx33d to_infrared = refine(small, start.to_visible.inv(), 6, 15);
    to_infrared = refine(middle, to_infrared, 6, 10);
    const double score = likeness(middle, to_infrared);
    if (score > best_score) best_score = score, best = to_infrared;
  }
  const double scale = scale_of(best.inv(), infrared);
  // No finer than the infrared picture's own pixels.
  const int last = std::clamp(int(2 * side / scale), 2 * coarsest, std::min(side, finest));
  for (int s = 2 * coarsest;; s = std::min(2 * s, last)) {
    const Level level(pairs, s, scale);
    best = refine(level, best, 8, 20);
    if (s < last) continue;
    Alignment result;
    result.to_visible = best.inv();
    result.to_visible *= 1 / result.to_visible(2, 2);
    judge(level, result);
    result.doubt = doubt_of(result);
    return result;
  }
}

}  // namespace

Alignment align(std::span<const AlignmentPair> pairs) {
  if (pairs.empty()) throw std::runtime_error("there is no pair of pictures to align");
  const cv::Rect visible = inner_part(pairs, &AlignmentPair::visible),
                 infrared = inner_part(pairs, &AlignmentPair::infrared);
  std::vector<AlignmentPair> inner;
  for (const AlignmentPair& pair : pairs) inner.push_back({pair.visible(visible), pair.infrared(infrared)});
  Alignment result = align_without_frames(inner);
  result.to_visible = shifted(visible.x, visible.y) * result.to_visible * shifted(-infrared.x, -infrared.y);
  result.to_visible *= 1 / result.to_visible(2, 2);
  return result;
}

}  // namespace digfusion::tools
