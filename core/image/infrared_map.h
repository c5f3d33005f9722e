// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between points of an infrared picture as its camera gives it and of the visible picture, through everything
// that says where infrared lies: crop-*, registration or infrared-fit, registration-refine. What fuse() does
// with pictures, for places in them. Knows no pictures, float64.
#pragma once

#include <optional>

#include "core/image/placement.h"
#include "core/image/registration.h"
#include "core/parameters/parameters.h"

namespace digfusion {

/// The pictures of one camera.
struct Grid {
  Size size;
  double pixel_aspect = 1;
  bool operator==(const Grid&) const = default;
};

/// A rectangle between pixels: a whole picture is 0, 0, its width and its height.
struct Box {
  double left, top, right, bottom;
  bool operator==(const Box&) const = default;
};

/// What registration-refine adds, as FrameReport tells it: turned about the visible picture's centre, then
/// moved. Scale and shear of registration-refine=affine, a pixel or so, aren't in it.
struct Refined {
  double x = 0, y = 0, degrees = 0;
  bool operator==(const Refined&) const = default;
};

/// Constant, so threads may share it.
class InfraredMap {
 public:
  /// `registration` is what parse_registration(parameters.registration) gives; of `parameters` infrared_fit
  /// and the crop are read. Error(invalid_argument) when the crop leaves nothing, and as place().
  InfraredMap(const Parameters& parameters, const std::optional<Registration>& registration,
              const Grid& visible, const Grid& infrared, const Refined& refined = {});

  /// Points count as Box does: (0.5, 0.5) is the centre of the upper left pixel. Nothing where the point
  /// isn't in the picture that it is of (for infrared: in what the crop leaves of it), or not in sight of the
  /// other camera's picture.
  std::optional<Point> to_visible(Point infrared) const;
  std::optional<Point> to_infrared(Point visible) const;

  /// The smallest box around what a region of the infrared picture becomes, as far as it is within both
  /// pictures; nothing when that is nothing.
  std::optional<Box> to_visible(const Box& region) const;

 private:
  /// Without a look at the picture's borders.
  std::optional<Point> forwards(Point infrared) const;

  Size visible_;
  Box kept_;  ///< of the infrared picture
  Refined refined_;
  double cosine_, sine_;  ///< of its angle
  Placement placement_{};
  std::optional<PixelMap> map_;  ///< in the place of placement_
};

}  // namespace digfusion
