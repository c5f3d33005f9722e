// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/alignment.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <optional>
#include <stdexcept>

#include "core/tools/alignment_start.h"
#include "core/tools/edge_channels.h"

namespace digfusion::tools {
namespace {

/// How firmly similarity is expected: on 12 generated pairs the mean corner error was 6.3 px with 0, 0.75
/// with 30 and 1.1 with 1000.
constexpr double expectation = 30;
constexpr int reach = 6;                // of the search for a part's offset, on the grid
constexpr double least_contrast = .12;  // of a part's offset to others
constexpr double near = 2;              // offsets that agree, on the grid
constexpr int fewest_parts = 6;
constexpr double least_agreeing = .5;
constexpr int coarsest = 120, finest = 800;  // longest sides of the grids

/// To coordinates whose zero is the picture's centre and whose unit is half its width.
cv::Matx33d to_unit(cv::Size size) {
  const double half = size.width / 2.;
  return {1 / half, 0, -(size.width - 1) / 2. / half, 0, 1 / half, -(size.height - 1) / 2. / half, 0, 0, 1};
}

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
    const cv::Mat all(size, CV_8U, cv::Scalar(255));
    const double to_grid = infrared_scale * reduction;  // an infrared pixel on the grid
    for (const AlignmentPair& pair : pairs) {
      cv::Mat small, soft = pair.infrared.clone();
      cv::resize(pair.visible, small, size, 0, 0, cv::INTER_AREA);
      // Both as soft as the coarser of them.
      if (to_grid > 1.3) cv::GaussianBlur(small, small, {}, 0.5 * to_grid);
      if (to_grid < 0.8) cv::GaussianBlur(soft, soft, {}, 0.5 / to_grid);
      visible.push_back(edge_channels(small, all));
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
  Warped(const cv::Mat& infrared, const cv::Matx33d& from_grid, cv::Size size) {
    cv::Mat picture;
    cv::warpPerspective(infrared, picture, from_grid, size, cv::INTER_LINEAR | cv::WARP_INVERSE_MAP,
                        cv::BORDER_REPLICATE);
    cv::warpPerspective(cv::Mat(infrared.size(), CV_8U, cv::Scalar(255)), mask, from_grid, size,
                        cv::INTER_NEAREST | cv::WARP_INVERSE_MAP);
    cv::erode(mask, mask, {}, {-1, -1}, 3, cv::BORDER_CONSTANT, 0);
    channels = edge_channels(picture, mask);
  }
  EdgeChannels channels;
  cv::Mat mask;
};

/// Squared difference over the channels; large outside the mask.
cv::Mat difference(const EdgeChannels& a, const EdgeChannels& b) {
  cv::Mat sum = cv::Mat::zeros(a[0].size(), CV_32F);
  for (std::size_t k = 0; k < a.size(); ++k) {
    const cv::Mat d = a[k] - b[k];
    sum += d.mul(d);
  }
  return sum;
}

/// One Gauss-Newton step of the homography between grid points: ESM (Benhimane and Malis, IROS 2004), each
/// pixel weighed down by its difference (Geman-McClure).
class Step {
 public:
  Step(cv::Size size, int parameters) : size_(size), parameters_(parameters) {}

  void add(const EdgeChannels& visible, const Warped& warped) {
    const cv::Mat differences = difference(visible, warped.channels);
    const double softness = cv::mean(differences, warped.mask)[0] + 1e-9;
    cv::Mat xx = zeros(), xy = zeros(), yy = zeros(), ex = zeros(), ey = zeros();
    for (std::size_t k = 0; k < visible.size(); ++k) {
      cv::Mat gx, gy;
      const cv::Mat middle = (visible[k] + warped.channels[k]) * 0.5, e = visible[k] - warped.channels[k];
      cv::Sobel(middle, gx, CV_32F, 1, 0, 3, 1 / 8.);
      cv::Sobel(middle, gy, CV_32F, 0, 1, 3, 1 / 8.);
      xx += gx.mul(gx), xy += gx.mul(gy), yy += gy.mul(gy);
      ex += gx.mul(e), ey += gy.mul(e);
    }
    const double half = size_.width / 2., cx = (size_.width - 1) / 2., cy = (size_.height - 1) / 2.;
    for (int y = 0; y < size_.height; ++y)
      for (int x = 0; x < size_.width; ++x) {
        if (!warped.mask.at<uchar>(y, x)) continue;
        const double d = differences.at<float>(y, x), root = softness / (softness + d), w = root * root;
        errors_ += w * d;
        accumulate((x - cx) / half, (y - cy) / half, w, xx.at<float>(y, x), xy.at<float>(y, x),
                   yy.at<float>(y, x), ex.at<float>(y, x), ey.at<float>(y, x));
      }
  }

  /// `total` is the map that the step will be put before, between pictures of half-width 1: cameras side by
  /// side differ by little more than scale, turn and offset, so that what the pictures don't tell stays at
  /// that.
  void expect_similarity(const cv::Matx33d& total) {
    const double scale = std::sqrt(std::abs(cv::determinant(total.get_minor<2, 2>(0, 0)))), z = total(2, 2);
    const double deviation[4] = {(total(0, 0) - total(1, 1)) / 2 / scale,
                                 (total(0, 1) + total(1, 0)) / 2 / scale, total(2, 0) / z, total(2, 1) / z};
    const double rows[4][8] = {
        {.5, 0, 0, 0, -.5}, {0, .5, 0, .5}, {0, 0, 0, 0, 0, 0, 1}, {0, 0, 0, 0, 0, 0, 0, 1}};
    const double half = size_.width / 2., weight = expectation * errors_ / (half * half);
    for (int k = 0; k < (parameters_ > 6 ? 4 : 2); ++k)
      for (int i = 0; i < parameters_; ++i) {
        for (int j = i; j < parameters_; ++j) normal_[i][j] += weight * rows[k][i] * rows[k][j];
        right_[i] -= weight * rows[k][i] * deviation[k] * half;
      }
  }

  /// The step on the grid; its length in pixels at the picture's corners goes to `length`.
  cv::Matx33d solve(double& length) const {
    cv::Mat a(parameters_, parameters_, CV_64F), b(parameters_, 1, CV_64F), p;
    double trace = 0;
    for (int i = 0; i < parameters_; ++i) trace += normal_[i][i];
    for (int i = 0; i < parameters_; ++i) {
      for (int j = 0; j < parameters_; ++j) a.at<double>(i, j) = normal_[std::min(i, j)][std::max(i, j)];
      a.at<double>(i, i) += 1e-6 * trace + 1e-12;
      b.at<double>(i) = right_[i];
    }
    if (!cv::solve(a, b, p, cv::DECOMP_CHOLESKY) || !cv::checkRange(p)) p = cv::Mat::zeros(b.size(), CV_64F);
    double q[8] = {};
    length = 0;
    const double half = size_.width / 2.;
    for (int i = 0; i < parameters_; ++i) {
      q[i] = p.at<double>(i) / half;
      length += std::abs(p.at<double>(i));
    }
    const cv::Matx33d step(1 + q[0], q[1], q[2], q[3], 1 + q[4], q[5], q[6], q[7], 1);
    return to_unit(size_).inv() * step * to_unit(size_);
  }

 private:
  cv::Mat zeros() const { return cv::Mat::zeros(size_, CV_32F); }

  /// Parameters are in pixels at u = 1.
  void accumulate(double u, double v, double w, double xx, double xy, double yy, double ex, double ey) {
    const double ju[8] = {u, v, 1, 0, 0, 0, -u * u, -u * v}, jv[8] = {0, 0, 0, u, v, 1, -u * v, -v * v};
    for (int i = 0; i < parameters_; ++i) {
      const double left = w * (ju[i] * xx + jv[i] * xy), below = w * (ju[i] * xy + jv[i] * yy);
      for (int j = i; j < parameters_; ++j) normal_[i][j] += left * ju[j] + below * jv[j];
      right_[i] += w * (ju[i] * ex + jv[i] * ey);
    }
  }

  cv::Size size_;
  int parameters_;
  double normal_[8][8] = {}, right_[8] = {}, errors_ = 0;
};

/// Improves the inverse of to_visible on one grid.
cv::Matx33d refine(const Level& level, cv::Matx33d to_infrared, int parameters, int steps) {
  for (int i = 0; i < steps; ++i) {
    Step step(level.size, parameters);
    for (std::size_t k = 0; k < level.visible.size(); ++k)
      step.add(level.visible[k], Warped(level.infrared[k], to_infrared * level.to_full, level.size));
    step.expect_similarity(to_unit(level.infrared[0].size()) * to_infrared * level.to_full *
                           to_unit(level.size).inv());
    double length = 0;
    const cv::Matx33d moved = step.solve(length);
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

}  // namespace

Alignment align(std::span<const AlignmentPair> pairs) {
  if (pairs.empty()) throw std::runtime_error("there is no pair of pictures to align");
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

}  // namespace digfusion::tools
