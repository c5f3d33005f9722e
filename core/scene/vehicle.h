// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A car from the side.
#pragma once

#include <vector>

#include "core/scene/shape.h"

namespace digfusion::scene {

struct Vehicle {
  Point wheels;     ///< on the road, below the middle
  float length;     ///< scene units
  float direction;  ///< 1: to the right, -1: to the left
  float luma, cb, cr;
  float engine;      ///< heat of a running engine, 0..1
  bool lamps;        ///< head and tail lamps are lit
  float lamp_power;  ///< how far the head lamps outshine the daylight, 0..1
  bool moving;
};

/// The car's shapes; the lamps' glow joins `glows`.
void add_vehicle(std::vector<Paint>& paints, std::vector<Glow>& glows, const Vehicle& vehicle);

}  // namespace digfusion::scene
