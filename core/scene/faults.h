// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What real infrared cameras do to the generated picture and its time. Pure functions of (faults, pattern,
// seed, frame number, size), as the perfect pictures are.
#pragma once

#include <cstdint>
#include <memory>

#include "core/scene/renderer.h"

namespace digfusion::scene {

/// The defaults are a perfect camera's. Times are nanoseconds.
struct Faults {
  // Where the camera looks: what a perfect one shows at p, this one shows at R(p - c) + c + offset, where c
  // is the picture's centre and R a turn clockwise.
  double offset_x = 0, offset_y = 0;  ///< pixels to the right and downwards, -256..256
  double rotation = 0;                ///< degrees, -45..45

  // The sensor. Standard deviations in 255ths of the full range.
  double noise = 0;         ///< of pixels, new with each frame
  double column_noise = 0;  ///< of columns, always the same
  int dead_pixels = 0;      ///< pixels that are stuck at nothing or at full scale
  int telemetry_rows = 0;   ///< last rows of the frame that hold words of data; the scene fills the others
  bool kelvin = false;      ///< of 65535 full scale, samples are kelvin × 100

  // The clock.
  std::int64_t clock_offset =
      0;                    ///< frames are stamped so much later than they were taken; negative: earlier
  double clock_drift = 0;   ///< ppm by which frames come slower than they should; negative: faster
  std::int64_t jitter = 0;  ///< largest error of a stamp, either way; bounded by 0.4 frames
  double drops = 0;         ///< share of frames that never arrive, 0..1
  std::int64_t shutter_interval = 0;  ///< from one shutter to the next, of the camera's time; 0: never
  std::int64_t shutter_length = 0;    ///< how long the last picture before it stands

  bool operator==(const Faults&) const = default;
  /// Whether the picture is a perfect camera's. The shutter counts among the clock's faults.
  bool perfect_picture() const {
    return offset_x == 0 && offset_y == 0 && rotation == 0 && noise == 0 && column_noise == 0 &&
           dead_pixels == 0 && telemetry_rows == 0 && !kelvin;
  }
};

/// What black and white are in kelvin: a street of 14 °C with people of 30 to 34 °C.
inline constexpr float coldest_kelvin = 275, hottest_kelvin = 311;

// ---- time. `nominal` is a frame's time in a perfect camera, `interval` from one frame to the next; 0:
// unknown.

/// When the frame is really taken.
std::int64_t taken_at(const Faults& faults, std::int64_t nominal);
/// The nominal time of a frame taken then.
std::int64_t nominal_of(const Faults& faults, std::int64_t taken);
/// What its stamp says. Can be negative; rises with the frame number.
std::int64_t stamp_of(const Faults& faults, std::uint64_t seed, std::int64_t n, std::int64_t nominal,
                      std::int64_t interval);
/// Whether frame n never arrives.
bool is_dropped(const Faults& faults, std::uint64_t seed, std::int64_t n);
/// The frame of a perfect camera that frame n shows: another one where the clock drifts or the shutter is
/// closed.
std::int64_t shown_in(const Faults& faults, std::int64_t n, std::int64_t nominal, std::int64_t interval);

// ---- picture

class FaultyCamera {
 public:
  /// Throws as Renderer does; the scene's height is without the telemetry rows.
  FaultyCamera(Pattern pattern, std::uint64_t seed, int width, int height, const Faults& faults);

  /// The picture taken as frame n, which shows perfect frame `shown` (the same picture, noise and all, for
  /// the same `shown`) and whose telemetry counts `n`. Thread-safe.
  void picture(std::int64_t n, const Moment& shown, Plane& plane) const;

 private:
  void look(const Moment& shown, Plane& plane) const;

  Faults faults_;
  int width_, height_, margin_;
  std::shared_ptr<const Renderer> renderer_;
};

}  // namespace digfusion::scene
