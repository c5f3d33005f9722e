// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Everything that never moves: sky, houses, trees, pavement, road, lawn, windows, signs, lamps, and the
// light.
#pragma once

#include <cstdint>
#include <vector>

#include "core/scene/look.h"
#include "core/scene/shape.h"

namespace digfusion::scene {

/// Where the ground plane vanishes, and where things stand on it; v coordinates.
inline constexpr float horizon = 0.44f, house_foot = 0.605f, kerb = 0.685f, lawn_edge = 0.925f;

/// Height of a grown person who stands at that v.
inline float person_height(float foot) { return 0.85f * (foot - horizon); }

class Street {
 public:
  Street(const Look& look, std::uint32_t seed) : look_(look), seed_(seed) {}

  struct Light {
    float level;   ///< times reflectance is luma
    float warmth;  ///< share of it that comes from lamps, 0..1
  };
  Light light(float u, float v) const;

  /// The textured surface seen at that point by a pixel of `step` units.
  Material surface(float u, float v, float step) const;

  /// What stands before it, as shapes.
  std::vector<Paint> fittings() const;

  /// The lit lamps and windows as the visible camera's optics smear them, and the sun.
  std::vector<Glow> glows() const;

 private:
  Material sky(float u, float v, float step) const;
  Material ground(float u, float v, float step) const;
  Material facade(float u, float v, float step) const;
  void add_skyline(Material& seen, float u, float v, float step) const;
  void add_tree(Material& seen, float u, float v, float step, Point crown, float size,
                std::uint32_t salt) const;
  void add_windows(std::vector<Paint>& paints) const;
  void add_shop(std::vector<Paint>& paints) const;
  void add_signs(std::vector<Paint>& paints) const;
  void add_lamp(std::vector<Paint>& paints, float u) const;

  const Look& look_;
  std::uint32_t seed_;
};

}  // namespace digfusion::scene
