// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Generated pairs of visible and infrared pictures with the fused picture that they ideally make
// (docs/algorithm.md, "Generated scenes"). A frame of a view is a pure function of (pattern, seed, moment,
// size): frames can be rendered in any order, by any number of threads.
#pragma once

#include <cstdint>
#include <memory>

#include "core/scene/atmosphere.h"
#include "core/scene/cast.h"
#include "core/scene/look.h"
#include "core/scene/pattern.h"
#include "core/scene/plane.h"

namespace digfusion::scene {

inline constexpr int minimum_size = 16, maximum_size = 4096;  ///< pixels, either side

/// Frames of scene time a second, of a stream whose rate nobody says.
inline constexpr double frames_per_second = 30;

/// Which frame of a view.
struct Moment {
  std::int64_t n;  ///< its number, which the sensor's noise depends on
  double seconds;  ///< of scene time
  Moment(std::int64_t number) : Moment(number, static_cast<double>(number) / frames_per_second) {}
  Moment(std::int64_t number, double time) : n(number), seconds(time) {}
};

/// a of Y* = V° + a·H·(1 - V°).
inline constexpr float ideal_heat_gain = 0.6f;

/// Adds the infrared sensor's noise to a plane of any size, clipped to 0..1: the pattern's own, and Gaussian
/// noise of the pixels (new with each frame) and of the columns (which stays) with these standard deviations.
void add_sensor_noise(Pattern pattern, std::uint64_t seed, std::int64_t n, Plane& plane, float noise = 0,
                      float column_noise = 0);

class Renderer {
 public:
  /// Renders what doesn't move, once. With a margin the planes are larger than the picture by so many pixels
  /// of the scene on every side. Throws std::invalid_argument when a side isn't within
  /// minimum_size..maximum_size, or the margin isn't within 0..maximum_size.
  Renderer(Pattern pattern, std::uint64_t seed, int width, int height, int margin = 0);

  /// One renderer for all who want the same pictures at the same time. Thread-safe.
  static std::shared_ptr<const Renderer> shared(Pattern pattern, std::uint64_t seed, int width, int height,
                                                int margin = 0);

  // Each fills planes of this size with samples within 0..1. Thread-safe.

  /// The visible camera's luma: V° behind smoke, with glare and sensor noise.
  void visible(const Moment& moment, Plane& luma) const;
  /// The same with chroma, -0.5..0.5, at half the width and height (rounded up): 4:2:0, samples centred. Luma
  /// and chroma are the Y'CbCr of whatever matrix the picture is labelled with.
  void visible(const Moment& moment, Plane& luma, Plane& cb, Plane& cr) const;
  /// The infrared camera's picture, white hot.
  void infrared(const Moment& moment, Plane& radiance) const;
  /// What reaches its sensor: the same without the sensor's noise.
  void infrared_light(const Moment& moment, Plane& radiance) const;
  /// Y*, the ideal fused luma.
  void ideal(const Moment& moment, Plane& luma) const;

  /// V°: the visible luma without smoke, glare and noise.
  void clean_visible(const Moment& moment, Plane& luma) const;
  /// H: heat over the ambient.
  void heat(const Moment& moment, Plane& heat) const;
  /// Share of the scene's light that reaches the visible camera through the smoke.
  void transmission(const Moment& moment, Plane& share) const;

  Pattern pattern() const { return pattern_; }
  std::uint64_t seed() const { return seed_; }
  int width() const { return grid_.width; }  ///< of a plane, margins and all
  int height() const { return grid_.height; }

 private:
  double time(const Moment& moment) const;
  void visible(const Moment& moment, Plane& luma, Plane* cb, Plane* cr) const;

  Pattern pattern_;
  std::uint64_t seed_;
  const Look& look_;
  std::uint32_t key_;  ///< seed_ in 32 bits
  Grid grid_, half_;
  Atmosphere atmosphere_;
  std::vector<Glow> glows_;
  // What doesn't move.
  Plane light_, luma_, heat_, infrared_;                // at full size
  Plane half_light_, half_warmth_, half_cb_, half_cr_;  // at half size
};

}  // namespace digfusion::scene
