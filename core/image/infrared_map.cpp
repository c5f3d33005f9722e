// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/infrared_map.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/interface/error.h"

namespace digfusion {
namespace {

constexpr double rounding = 1e-6;

bool is_within(Point p, const Box& box) {
  return p.x >= box.left - rounding && p.x <= box.right + rounding && p.y >= box.top - rounding &&
         p.y <= box.bottom + rounding;
}

Box common(const Box& a, const Box& b) {
  return {std::max(a.left, b.left), std::max(a.top, b.top), std::min(a.right, b.right),
          std::min(a.bottom, b.bottom)};
}

bool is_empty(const Box& box) {
  return !(box.right - box.left > rounding && box.bottom - box.top > rounding);
}

Box whole(Size size) { return {0, 0, double(size.width), double(size.height)}; }

}  // namespace

InfraredMap::InfraredMap(const Parameters& p, const std::optional<Registration>& registration,
                         const Grid& visible, const Grid& infrared, const Refined& refined)
    : visible_(visible.size),
      kept_{double(p.crop_left), double(p.crop_top), double(infrared.size.width - p.crop_right),
            double(infrared.size.height - p.crop_bottom)},
      refined_(refined),
      cosine_(std::cos(refined.degrees * std::numbers::pi / 180)),
      sine_(std::sin(refined.degrees * std::numbers::pi / 180)) {
  if (is_empty(kept_))
    throw Error(ErrorCode::invalid_argument, "infrared picture: cropping leaves nothing of it");
  const Size size{std::int64_t(kept_.right - kept_.left), std::int64_t(kept_.bottom - kept_.top)};
  if (registration)
    map_.emplace(*registration, visible_, size);
  else
    placement_ = place(size.width, size.height, infrared.pixel_aspect, visible_.width, visible_.height,
                       visible.pixel_aspect, p.infrared_fit);
}

std::optional<Point> InfraredMap::forwards(Point p) const {
  Point seen;
  if (map_) {
    const auto pixel = map_->to_visible({p.x - kept_.left - .5, p.y - kept_.top - .5});
    if (!pixel) return {};
    seen = {pixel->x + .5, pixel->y + .5};
  } else {
    const double width = kept_.right - kept_.left, height = kept_.bottom - kept_.top;
    seen = {double(placement_.x) + (p.x - kept_.left) / width * double(placement_.width),
            double(placement_.y) + (p.y - kept_.top) / height * double(placement_.height)};
  }
  const Point middle{double(visible_.width) / 2, double(visible_.height) / 2};
  const double x = seen.x - middle.x, y = seen.y - middle.y;
  return Point{cosine_ * x - sine_ * y + middle.x + refined_.x,
               sine_ * x + cosine_ * y + middle.y + refined_.y};
}

std::optional<Point> InfraredMap::to_visible(Point infrared) const {
  if (!is_within(infrared, kept_)) return {};
  const auto p = forwards(infrared);
  return p && is_within(*p, whole(visible_)) ? p : std::nullopt;
}

std::optional<Point> InfraredMap::to_infrared(Point visible) const {
  if (!is_within(visible, whole(visible_))) return {};
  const Point middle{double(visible_.width) / 2, double(visible_.height) / 2};
  const double x = visible.x - refined_.x - middle.x, y = visible.y - refined_.y - middle.y;
  const Point seen{cosine_ * x + sine_ * y + middle.x, cosine_ * y - sine_ * x + middle.y};
  std::optional<Point> p;
  if (map_) {
    p = map_->to_infrared({seen.x - .5, seen.y - .5});
    if (p) p = Point{p->x + .5 + kept_.left, p->y + .5 + kept_.top};
  } else {
    p = Point{
        kept_.left + (seen.x - double(placement_.x)) / double(placement_.width) * (kept_.right - kept_.left),
        kept_.top + (seen.y - double(placement_.y)) / double(placement_.height) * (kept_.bottom - kept_.top)};
  }
  return p && is_within(*p, kept_) ? p : std::nullopt;
}

std::optional<Box> InfraredMap::to_visible(const Box& region) const {
  const Box from = common(region, kept_);
  if (is_empty(from)) return {};
  // A lens bends the sides: they are followed, not only the corners.
  constexpr int steps = 16;
  constexpr double far = std::numeric_limits<double>::infinity();
  Box box{far, far, -far, -far};
  const auto take = [&](Point p) {
    const auto seen = forwards(p);
    if (!seen) return;
    box = {std::min(box.left, seen->x), std::min(box.top, seen->y), std::max(box.right, seen->x),
           std::max(box.bottom, seen->y)};
  };
  for (int i = 0; i <= steps; ++i) {
    const double x = std::lerp(from.left, from.right, double(i) / steps),
                 y = std::lerp(from.top, from.bottom, double(i) / steps);
    for (const double side : {from.top, from.bottom}) take({x, side});
    for (const double side : {from.left, from.right}) take({side, y});
  }
  box = common(box, whole(visible_));
  return is_empty(box) ? std::nullopt : std::optional(box);
}

}  // namespace digfusion
