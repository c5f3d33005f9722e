// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/alignment_start.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "core/image/edge_channels.h"
#include "core/image/place_search.h"

namespace digfusion::tools {
namespace {

constexpr int longest_side = 128;  // of the small pictures that are searched
constexpr double smallest = 0.25, largest = 1.5, scale_step = 1.06, most_turn = 9, turn_step = 3;
constexpr std::size_t starts_kept = 6;
constexpr double least_score = 0.7;  // of the best one's

/// A picture in the upper left corner of the transforms' field, its mask likewise.
struct Spectrum {
  Spectrum(const cv::Mat& picture, const cv::Mat& mask, cv::Size field)
      : edges(edge_spectrum(edge_channels(picture, mask), mask, field)) {
    cv::Mat mask_field = cv::Mat::zeros(field, CV_32F);
    mask.convertTo(mask_field(cv::Rect({}, mask.size())), CV_32F, 1 / 255.);
    cv::dft(mask_field, inside, cv::DFT_COMPLEX_OUTPUT);
  }
  cv::Mat edges, inside;
};

/// Real part of the sum over x of a(x + t) conj(b(x)), for each offset t, cyclic.
cv::Mat correlation(const cv::Mat& a, const cv::Mat& b) {
  cv::Mat product, result, parts[2];
  cv::mulSpectrums(a, b, product, 0, /*conjB=*/true);
  cv::dft(product, result, cv::DFT_INVERSE | cv::DFT_SCALE | cv::DFT_COMPLEX_OUTPUT);
  cv::split(result, parts);
  return parts[0];
}

/// Rotates and scales a picture of size `from` about its centre into the middle of one of size `to`.
cv::Matx33d turned(cv::Size from, cv::Size to, double scale, double degrees) {
  const double c = std::cos(degrees * CV_PI / 180) * scale, s = std::sin(degrees * CV_PI / 180) * scale;
  const double x = (from.width - 1) / 2., y = (from.height - 1) / 2.;
  return {c, -s, (to.width - 1) / 2. - c * x + s * y, s, c, (to.height - 1) / 2. - s * x - c * y, 0, 0, 1};
}

class Search {
 public:
  explicit Search(std::span<const AlignmentPair> pairs) : pairs_(pairs) {
    full_ = pairs[0].visible.size();
    infrared_ = pairs[0].infrared.size();
    const double reduction = std::min(1., double(longest_side) / std::max(full_.width, full_.height));
    small_ = {std::max(16, cvRound(full_.width * reduction)),
              std::max(16, cvRound(full_.height * reduction))};
    const double most = largest * 1.2;
    field_ = {cv::getOptimalDFTSize(cvCeil(small_.width * (1 + most))),
              cv::getOptimalDFTSize(cvCeil(small_.height * (1 + most)))};
    for (const AlignmentPair& pair : pairs) {
      cv::Mat visible;
      cv::resize(pair.visible, visible, small_, 0, 0, cv::INTER_AREA);
      const cv::Mat mask(small_, CV_8U, cv::Scalar(255));
      visible_.emplace_back(visible, mask, field_);
    }
  }

  void try_all() {
    const double as_wide = double(small_.width) / infrared_.width;
    for (double scale = smallest; scale <= largest; scale *= scale_step)
      for (double turn = -most_turn; turn <= most_turn; turn += turn_step) try_one(scale * as_wide, turn);
  }

  std::vector<AlignmentStart> best() {
    std::sort(found_.begin(), found_.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
    std::vector<AlignmentStart> kept;
    for (const AlignmentStart& start : found_) {
      if (kept.size() == starts_kept || start.score < least_score * found_[0].score) break;
      if (std::none_of(kept.begin(), kept.end(), [&](const auto& other) { return are_near(start, other); }))
        kept.push_back(start);
    }
    return kept;
  }

 private:
  void try_one(double scale, double turn) {
    const cv::Size size{cvCeil(infrared_.width * scale * 1.2), cvCeil(infrared_.height * scale * 1.2)};
    if (size.width < 16 || size.height < 16) return;
    const cv::Size fits{std::min(size.width, field_.width - small_.width),
                        std::min(size.height, field_.height - small_.height)};
    const cv::Matx33d place = turned(infrared_, fits, scale, turn);
    cv::Mat sum, area, mask;
    cv::warpPerspective(cv::Mat(infrared_, CV_8U, cv::Scalar(255)), mask, place, fits, cv::INTER_NEAREST);
    cv::erode(mask, mask, {}, {-1, -1}, 2, cv::BORDER_CONSTANT, 0);
    const double whole = cv::countNonZero(mask);
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      cv::Mat source = pairs_[i].infrared, soft, warped;
      if (scale < 0.7) {
        cv::GaussianBlur(source, soft, {}, 0.5 / scale);
        source = soft;
      }
      cv::warpPerspective(source, warped, place, fits, cv::INTER_LINEAR, cv::BORDER_REPLICATE);
      const Spectrum infrared(warped, mask, field_);
      add(sum, correlation(visible_[i].edges, infrared.edges));
      if (i == 0) area = correlation(visible_[i].inside, infrared.inside);
    }
    // How far the best correlation stands out of those for all offsets. Half of the smaller picture must lie
    // in the other.
    const cv::Mat usable = area > 0.5 * std::min(whole, double(small_.area()));
    cv::Scalar mean, spread;
    cv::meanStdDev(sum, mean, spread, area > 0.2 * std::min(whole, double(small_.area())));
    const cv::Mat score = (sum - mean[0]) / (spread[0] + 1e-6);  // pictures without edges have none
    double peak = 0;
    cv::Point at;
    cv::minMaxLoc(score, nullptr, &peak, nullptr, &at, usable);
    const double x = at.x > small_.width ? at.x - field_.width : at.x,
                 y = at.y > small_.height ? at.y - field_.height : at.y;
    const cv::Matx33d offset(1, 0, x, 0, 1, y, 0, 0, 1);
    found_.push_back(
        {scaling(double(full_.width) / small_.width, double(full_.height) / small_.height) * offset * place,
         peak});
  }

  static void add(cv::Mat& sum, const cv::Mat& term) {
    if (sum.empty())
      sum = term;
    else
      sum += term;
  }

  bool are_near(const AlignmentStart& a, const AlignmentStart& b) const {
    const cv::Point2d corners[] = {{0, 0}, {double(infrared_.width), 0}, {0, double(infrared_.height)}};
    for (const cv::Point2d& c : corners) {
      const cv::Vec3d d = (a.to_visible - b.to_visible) * cv::Vec3d(c.x, c.y, 1);
      if (std::hypot(d[0], d[1]) > 0.06 * full_.width) return false;
    }
    return true;
  }

  std::span<const AlignmentPair> pairs_;
  cv::Size full_, infrared_, small_, field_;
  std::vector<Spectrum> visible_;
  std::vector<AlignmentStart> found_;
};

}  // namespace

cv::Matx33d scaling(double x, double y) { return {x, 0, .5 * x - .5, 0, y, .5 * y - .5, 0, 0, 1}; }

std::vector<AlignmentStart> find_starts(std::span<const AlignmentPair> pairs) {
  Search search(pairs);
  search.try_all();
  return search.best();
}

}  // namespace digfusion::tools
