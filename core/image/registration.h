// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where the infrared camera's pixels lie on the visible picture. Pixels count from the centre of the upper
// left one, as in OpenCV: the picture reaches from -0.5 to width - 0.5. Knows no pictures (remap.h does),
// float64.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/image/lens.h"

namespace digfusion {

struct Size {
  std::int64_t width = 0, height = 0;
  bool operator==(const Size&) const = default;
};

/// Row by row.
using Homography = std::array<double, 9>;

/// The point that `h` takes `p` to, or nothing on and behind the horizon (third coordinate not above zero).
std::optional<Point> mapped(const Homography& h, Point p);

/// Error(invalid_argument) for a matrix without an inverse.
Homography inverse(const Homography& h);

/// One camera of a pair: the size of the pictures that the registration was made with, and its lens.
struct RegisteredCamera {
  Size size;  ///< zero: that of the pictures at hand
  std::optional<Lens> lens;
};

struct Registration {
  /// Takes an infrared pixel to the visible pixel that sees the same, of pictures without lens distortion.
  /// Has an inverse; its scale and sign don't matter.
  Homography to_visible{1, 0, 0, 0, 1, 0, 0, 0, 1};
  RegisteredCamera visible, infrared;
};

/// What the parameter `registration` gives: 6 numbers (affine) or 9 (homography) with commas between, for
/// pictures as they come and without lenses, or the path of a file; nothing for empty text. The file is JSON:
///
///     {"visible":  {"width": 1024, "height": 768,
///                   "lens": {"model": "opencv", "camera_matrix": [[fx, 0, cx], [0, fy, cy], [0, 0, 1]],
///                            "distortion": [k1, k2, p1, p2, k3]}},
///      "infrared": {"width": 640, "height": 480},
///      "homography": [[a, b, c], [d, e, f], [g, h, i]]}
///
/// with "affine" and two rows in the place of "homography" if one likes; a lens (model opencv or fisheye) for
/// either camera, both or none; other members are left alone. Pictures of another size than the file's are
/// taken for the same field of view. Throws Error(invalid_argument) that begins with "registration" and says
/// which file and member is wrong.
std::optional<Registration> parse_registration(std::string_view text);

/// The file's text, with a line's end; `notes` is JSON text of an object whose members are written, too.
/// Both sizes must be known.
std::string to_json(const Registration& registration, std::string_view notes = "{}");

/// From pixel to pixel of pictures of these sizes: lens, homography and lens backwards.
class PixelMap {
 public:
  PixelMap(const Registration& registration, Size visible, Size infrared);

  /// Nothing where the infrared camera can't see it; may lie outside its picture.
  std::optional<Point> to_infrared(Point visible) const;
  /// Its inverse; may lie outside the visible picture.
  std::optional<Point> to_visible(Point infrared) const;

 private:
  Registration registration_;  ///< with the sign that mapped() wants
  Homography to_infrared_;
  double visible_x_, visible_y_, infrared_x_, infrared_y_;  ///< the file's size over that at hand
};

}  // namespace digfusion
