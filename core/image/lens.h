// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A camera's lens as OpenCV's calibration describes it (cv::calibrateCamera, cv::fisheye::calibrate): between
// a pixel of the picture as it is and the pixel that a lens without distortion, of the same camera matrix,
// would give: what cv::undistort makes of it. Pixels count from the centre of the upper left one. Float64.
#pragma once

#include <array>
#include <optional>
#include <vector>

namespace digfusion {

struct Point {
  double x, y;
};

/// `opencv`: x'' = x (1 + k1 r² + k2 r⁴ + k3 r⁶)/(1 + k4 r² + k5 r⁴ + k6 r⁶) + 2 p1 x y + p2 (r² + 2 x²)
/// + s1 r² + s2 r⁴, y alike. `fisheye`: θ (1 + k1 θ² + k2 θ⁴ + k3 θ⁶ + k4 θ⁸) for tan θ.
enum class LensModel { opencv, fisheye };

struct LensParameters {
  LensModel model = LensModel::opencv;
  double fx = 0, fy = 0, cx = 0, cy = 0;  ///< of the camera matrix, in pixels
  /// In OpenCV's order: k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4]]], or k1..k4 of a fisheye.
  std::vector<double> distortion;
  bool operator==(const LensParameters&) const = default;
};

class Lens {
 public:
  /// Error(invalid_argument), which begins with "lens", for another count of distortion numbers, a number
  /// that isn't finite or a focal length that isn't positive.
  explicit Lens(LensParameters parameters);

  /// The pixel at which the camera sees the undistorted pixel, or nothing beyond the radius at which the
  /// polynomial turns back.
  std::optional<Point> distort(Point undistorted) const;

  /// distort()'s inverse, by Newton's method to a millionth of a pixel, or nothing where there is none.
  std::optional<Point> undistort(Point seen) const;

  const LensParameters& parameters() const { return parameters_; }

 private:
  Point bend(Point plane) const;
  double largest_radius() const;

  LensParameters parameters_;
  std::array<double, 12> k_{};  ///< the distortion; what isn't given is zero
  double limit_;                ///< of radii on the plane at distance 1
};

}  // namespace digfusion
