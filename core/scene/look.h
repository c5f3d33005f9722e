// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A pattern's light, weather and cameras.
#pragma once

#include "core/scene/pattern.h"

namespace digfusion::scene {

struct Look {
  float daylight;              ///< light on a surface under the open sky, 1 for a sunny day
  float shade;                 ///< of it, what reaches the house's front
  float lamps;                 ///< light below a street lamp
  float windows;               ///< luma of a lit window
  float head_lamps;            ///< 0: off; how far they outshine the daylight
  float sky_top, sky_horizon;  ///< luma
  float blueness;              ///< of the sky, 0..1
  float saturation;            ///< of all colours
  float smoke;                 ///< optical depth of the densest smoke, visible
  float sun;                   ///< strength of the sun's veil in the lens
  float warmth;                ///< infrared: how much warmer sunlit surfaces are
  float noise, shot_noise;  ///< visible camera: standard deviation in the dark, and what unit luma adds to it
  float thermal_noise;      ///< infrared camera
  bool moving;
};

const Look& look_of(Pattern pattern);

}  // namespace digfusion::scene
