// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/refinement.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

namespace digfusion {
namespace {

constexpr double confident = 0.5;
constexpr double share_of_way = 0.12, fastest = 0.8;  // of a picture's way to its target; corners' pixels
constexpr double arrived = 0.03;                      // largest corner distance, pixels
/// Mean corner distances that are left alone: what was set by hand is right to about that, and a picture that
/// has come to its place doesn't crawl about.
constexpr double left_alone = 0.55, left_when_placed = 0.15;
constexpr double past_limit = 1;  // beyond the limit is a moved camera, and within it no longer

cv::Mat gray(const at::Tensor& picture) {
  const at::Tensor plane = picture.mean(1).cpu().contiguous();
  return cv::Mat(int(picture.size(2)), int(picture.size(3)), CV_32F, plane.data_ptr<float>()).clone();
}

cv::Mat mask_of(const at::Tensor& share) {
  if (!share.defined()) return {};
  const at::Tensor inside = share.gt(0.99).to(at::kByte).mul(255).cpu().contiguous();
  return cv::Mat(int(share.size(2)), int(share.size(3)), CV_8U, inside.data_ptr<std::uint8_t>()).clone();
}

double smooth(double t) {
  t = std::clamp(t, 0., 1.);
  return t * t * (3 - 2 * t);
}

/// How far a place on the visible picture lies within the placed one, from each of its borders.
struct Depths {
  double left, right, top, bottom;
  Depths(const cv::Matx33d& to_infrared, double x, double y, cv::Size size)
      : left(to_infrared(0, 0) * x + to_infrared(0, 1) * y + to_infrared(0, 2) + 1),
        right(size.width + 1 - left),
        top(to_infrared(1, 0) * x + to_infrared(1, 1) * y + to_infrared(1, 2) + 1),
        bottom(size.height + 1 - top) {}
};

/// Over how many pixels each border fades: none that lies outside of the visible picture does.
Depths widths_of(const cv::Matx33d& to_infrared, cv::Size size) {
  const double most = std::max(size.width, size.height) / 50.;
  Depths widths(to_infrared, 0, 0, size);
  widths.left = widths.right = widths.top = widths.bottom = 0;
  const auto add = [&](double& width, double depth) { width = std::max(width, std::min(most, -2 * depth)); };
  for (const double x : {0., size.width - 1.})
    for (const double y : {0., size.height - 1.}) {
      const Depths corner(to_infrared, x, y, size);
      add(widths.left, corner.left);
      add(widths.right, corner.right);
      add(widths.top, corner.top);
      add(widths.bottom, corner.bottom);
    }
  return widths;
}

at::Tensor share_of(const cv::Matx33d& to_infrared, cv::Size size) {
  const Depths width = widths_of(to_infrared, size);
  if (width.left == 0 && width.right == 0 && width.top == 0 && width.bottom == 0) return {};
  at::Tensor share = at::ones({1, 1, size.height, size.width}, at::kFloat);
  float* const out = share.data_ptr<float>();
  const auto at_border = [](double depth, double width) {
    return width == 0 || depth >= width ? 1. : smooth(depth / width);
  };
  at::parallel_for(0, size.height, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t y = begin; y < end; ++y) {
      const auto fill = [&](std::int64_t x) {
        const Depths d(to_infrared, double(x), double(y), size);
        const double share = at_border(d.left, width.left) * at_border(d.right, width.right) *
                             at_border(d.top, width.top) * at_border(d.bottom, width.bottom);
        out[y * size.width + x] = float(share);
        return share < 1;
      };
      // What doesn't fade is convex: one part of a row.
      std::int64_t left = 0, right = size.width - 1;
      while (left <= right && fill(left)) ++left;
      while (right > left && fill(right)) --right;
    }
  });
  return share;
}

/// Of two affine maps.
cv::Matx33d between(const cv::Matx33d& a, const cv::Matx33d& b, double share) {
  return a * (1 - share) + b * share;
}

at::Tensor sampled(const at::Tensor& picture, const at::Tensor& places) {
  constexpr int bilinear = 0, border = 1;
  return at::grid_sampler(picture, places.to(picture.device()), bilinear, border, /*align_corners=*/true);
}

}  // namespace

void Refiner::restart(cv::Size size) {
  // Further than the limit, for a camera that has moved that far.
  const double reach = 1.5 * limit_ + 16;
  tracker_.emplace(size, mode_ == Refinement::affine, reach);
  is_moving_ = moved_ = false;
  set_applied(cv::Matx33d::eye());
}

void Refiner::set_applied(const cv::Matx33d& to_infrared) {
  applied_ = to_infrared;
  places_ = share_ = at::Tensor();
  const cv::Size size = tracker_->picture();
  if (applied_ == cv::Matx33d::eye()) return;
  // In grid_sampler()'s coordinates the corners' centres are -1 and 1.
  const double x = 2. / (size.width - 1), y = 2. / (size.height - 1);
  const cv::Matx33d to_normal(x, 0, -1, 0, y, -1, 0, 0, 1), m = to_normal * applied_ * to_normal.inv();
  const at::Tensor theta =
      at::tensor({m(0, 0), m(0, 1), m(0, 2), m(1, 0), m(1, 1), m(1, 2)}, at::kFloat).view({1, 2, 3});
  places_ = at::affine_grid_generator(theta, {1, 1, size.height, size.width}, /*align_corners=*/true);
  share_ = share_of(applied_, size);
}

Placed Refiner::apply(const Placed& placed) const {
  const bool fits = tracker_ && tracker_->picture().width == placed.picture.size(3) &&
                    tracker_->picture().height == placed.picture.size(2);
  if (!fits || !places_.defined()) return placed;
  Placed result{sampled(placed.picture, places_), share_};
  if (placed.share.defined()) {
    result.share = sampled(placed.share, places_);
    if (share_.defined()) result.share = result.share * share_.to(result.share.device());
  }
  return result;
}

void Refiner::approach(const cv::Matx33d& target) {
  const cv::Size size = tracker_->picture();
  const double mean = mean_corner_distance(applied_, target, size),
               most = largest_corner_distance(applied_, target, size);
  is_moving_ = is_moving_ ? most > arrived : mean > (places_.defined() ? left_when_placed : left_alone);
  if (is_moving_) set_applied(between(applied_, target, std::min(share_of_way, fastest / most)));
}

void Refiner::look(const Placed& placed, const at::Tensor& visible) {
  const cv::Size size(int(visible.size(3)), int(visible.size(2)));
  if (!tracker_ || tracker_->picture() != size) restart(size);
  if (tracker_->wants_next())
    tracker_->look(gray(visible), gray(placed.picture), mask_of(placed.share));
  else
    tracker_->look({}, {});
  const cv::Matx33d& found = tracker_->to_infrared();
  if (tracker_->confidence() < confident) {
    is_moving_ = false;
    return;
  }
  const double distance = largest_corner_distance(found, cv::Matx33d::eye(), size);
  moved_ = distance > limit_ + (moved_ ? 0 : past_limit);
  if (moved_)
    approach(cv::Matx33d::eye());  // what was right before the camera moved isn't any more
  else if (distance <= limit_ + past_limit)
    approach(between(cv::Matx33d::eye(), found, std::min(1., limit_ / std::max(distance, 1e-9))));
  else
    is_moving_ = false;
}

void Refiner::report(FrameReport& report) const {
  if (!tracker_) return;
  const cv::Size size = tracker_->picture();
  const cv::Matx33d to_visible = (moved_ ? tracker_->to_infrared() : applied_).inv();
  const double x = (size.width - 1) / 2., y = (size.height - 1) / 2.;
  const cv::Vec3d centre = to_visible * cv::Vec3d(x, y, 1);
  report.refined_x = centre[0] - x;
  report.refined_y = centre[1] - y;
  report.refined_degrees = std::atan2(to_visible(1, 0), to_visible(0, 0)) * 180 / CV_PI;
  report.confidence = tracker_->confidence();
  report.camera_moved = moved_;
}

void Refiners::configure(const Parameters& next) {
  const auto same = [&](auto member) { return settings_.*member == next.*member; };
  using P = Parameters;
  const bool all_same = same(&P::registration_refine) && same(&P::registration_limit) &&
                        same(&P::registration) && same(&P::infrared_fit) && same(&P::crop_top) &&
                        same(&P::crop_bottom) && same(&P::crop_left) && same(&P::crop_right);
  if (!all_same) refiners_.clear();
  settings_ = next;
}

Placed Refiners::apply(std::size_t index, const Placed& placed) const {
  return refines() && index < refiners_.size() && refiners_[index] ? refiners_[index]->apply(placed) : placed;
}

void Refiners::look(std::size_t index, const Placed& placed, const at::Tensor& visible) {
  if (!refines()) return;
  if (refiners_.size() <= index) refiners_.resize(index + 1);
  std::optional<Refiner>& refiner = refiners_[index];
  if (!refiner) refiner.emplace(settings_.registration_refine, settings_.registration_limit);
  refiner->look(placed, visible);
}

void Refiners::report(std::size_t index, FrameReport& report) const {
  if (index < refiners_.size() && refiners_[index]) refiners_[index]->report(report);
}

}  // namespace digfusion
