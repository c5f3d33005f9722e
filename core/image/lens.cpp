// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/lens.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "core/interface/error.h"

namespace digfusion {
namespace {

void check(const LensParameters& p) {
  const std::size_t n = p.distortion.size();
  const bool is_fisheye = p.model == LensModel::fisheye;
  if (is_fisheye ? n != 4 : n != 0 && n != 4 && n != 5 && n != 8 && n != 12)
    throw Error(ErrorCode::invalid_argument,
                "lens: " + std::to_string(n) + " distortion numbers; give " +
                    (is_fisheye ? "4 for a fisheye" : "0, 4, 5, 8 or 12, in OpenCV's order"));
  const auto finite = [](double number) { return std::isfinite(number); };
  if (!std::all_of(p.distortion.begin(), p.distortion.end(), finite))
    throw Error(ErrorCode::invalid_argument, "lens: a distortion number isn't finite");
  if (!(p.fx > 0 && p.fy > 0 && finite(p.fx) && finite(p.fy) && finite(p.cx) && finite(p.cy)))
    throw Error(ErrorCode::invalid_argument,
                "lens: the camera matrix needs focal lengths above 0 and a finite centre");
}

}  // namespace

Lens::Lens(LensParameters parameters) : parameters_(std::move(parameters)) {
  check(parameters_);
  std::copy(parameters_.distortion.begin(), parameters_.distortion.end(), k_.begin());
  limit_ = largest_radius();
}

Point Lens::bend(Point p) const {
  const auto& d = k_;
  const double r2 = p.x * p.x + p.y * p.y;
  if (parameters_.model == LensModel::fisheye) {
    const double r = std::sqrt(r2);
    if (r < 1e-12) return p;
    const double angle = std::atan(r), a2 = angle * angle;
    const double bent = angle * (1 + a2 * (d[0] + a2 * (d[1] + a2 * (d[2] + a2 * d[3]))));
    return {p.x * bent / r, p.y * bent / r};
  }
  const double radial =
      (1 + r2 * (d[0] + r2 * (d[1] + r2 * d[4]))) / (1 + r2 * (d[5] + r2 * (d[6] + r2 * d[7])));
  return {p.x * radial + 2 * d[2] * p.x * p.y + d[3] * (r2 + 2 * p.x * p.x) + r2 * (d[8] + r2 * d[9]),
          p.y * radial + d[2] * (r2 + 2 * p.y * p.y) + 2 * d[3] * p.x * p.y + r2 * (d[10] + r2 * d[11])};
}

// Beyond the first turning point of the radial polynomial one pixel would be seen at two places.
double Lens::largest_radius() const {
  constexpr double farthest = 20, step = 0.005;  // 87 degrees off the axis
  double before = 0;
  for (double r = step; r < farthest; r += step) {
    const double now = std::abs(bend({r, 0}).x);
    if (!(now > before)) return r - step;
    before = now;
  }
  return farthest;
}

std::optional<Point> Lens::distort(Point undistorted) const {
  const auto& [model, fx, fy, cx, cy, distortion] = parameters_;
  const Point plane{(undistorted.x - cx) / fx, (undistorted.y - cy) / fy};
  if (!(std::hypot(plane.x, plane.y) <= limit_)) return {};
  const Point bent = bend(plane);
  return Point{bent.x * fx + cx, bent.y * fy + cy};
}

std::optional<Point> Lens::undistort(Point seen) const {
  const auto& [model, fx, fy, cx, cy, distortion] = parameters_;
  const Point wanted{(seen.x - cx) / fx, (seen.y - cy) / fy};
  const double good = 1e-6 / std::max(fx, fy);
  Point p = wanted;
  if (model == LensModel::fisheye) {  // a start on the right side of the tangent
    const double angle = std::hypot(wanted.x, wanted.y);
    const double stretch = angle < 1e-9 ? 1 : std::tan(std::min(angle, 1.4)) / angle;
    p = {wanted.x * stretch, wanted.y * stretch};
  }
  for (int i = 0; i < 50; ++i) {
    const Point now = bend(p);
    const Point off{now.x - wanted.x, now.y - wanted.y};
    if (std::hypot(off.x, off.y) < good)
      return std::hypot(p.x, p.y) <= limit_ ? std::optional(Point{p.x * fx + cx, p.y * fy + cy})
                                            : std::nullopt;
    constexpr double h = 1e-6;
    const Point dx = bend({p.x + h, p.y}), dy = bend({p.x, p.y + h});
    const double a = (dx.x - now.x) / h, b = (dy.x - now.x) / h, c = (dx.y - now.y) / h,
                 d = (dy.y - now.y) / h, determinant = a * d - b * c;
    if (!(std::abs(determinant) > 1e-9)) return {};
    p.x -= (d * off.x - b * off.y) / determinant;
    p.y -= (a * off.y - c * off.x) / determinant;
  }
  return {};
}

}  // namespace digfusion
