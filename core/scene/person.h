// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A person with articulated limbs.
#pragma once

#include <cstdint>
#include <vector>

#include "core/scene/shape.h"

namespace digfusion::scene {

struct Clothes {
  Material jacket, trousers, hair, skin, shoes;
  bool cap = false, bag = false;
};

/// Clothes by number; all dark enough to vanish at night.
Clothes clothes(std::uint32_t seed);

enum class Gait { walk, run, stand, wave };

struct Pose {
  Point feet;       ///< between the feet, on the ground
  float height;     ///< scene units
  float direction;  ///< 1: to the right, -1: to the left
  Gait gait;
  float phase;  ///< radians; a whole cycle is two steps
};

/// Distance that a walker of that height covers in one cycle: the feet then don't slide.
float stride(Gait gait, float height);

/// The shapes of a person, the far limbs first.
void add_person(std::vector<Paint>& paints, const Pose& pose, const Clothes& clothes);

}  // namespace digfusion::scene
