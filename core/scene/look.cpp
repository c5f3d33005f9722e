// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/scene/look.h"

namespace digfusion::scene {

const Look& look_of(Pattern pattern) {
  static constexpr Look night = {.daylight = 0.10f,
                                 .shade = 1.0f,
                                 .lamps = 0.95f,
                                 .windows = 0.72f,
                                 .head_lamps = 1.0f,
                                 .sky_top = 0.02f,
                                 .sky_horizon = 0.075f,
                                 .blueness = 0.8f,
                                 .saturation = 0.55f,
                                 .smoke = 0.0f,
                                 .sun = 0.0f,
                                 .warmth = 0.0f,
                                 .noise = 0.022f,
                                 .shot_noise = 0.02f,
                                 .thermal_noise = 0.006f,
                                 .moving = true};
  static constexpr Look smoke = {.daylight = 0.80f,
                                 .shade = 0.92f,
                                 .lamps = 0.0f,
                                 .windows = 0.18f,
                                 .head_lamps = 0.25f,
                                 .sky_top = 0.70f,
                                 .sky_horizon = 0.84f,
                                 .blueness = 0.25f,
                                 .saturation = 0.85f,
                                 .smoke = 7.5f,
                                 .sun = 0.0f,
                                 .warmth = 0.02f,
                                 .noise = 0.006f,
                                 .shot_noise = 0.008f,
                                 .thermal_noise = 0.005f,
                                 .moving = true};
  static constexpr Look day_glare = {.daylight = 1.05f,
                                     .shade = 0.42f,
                                     .lamps = 0.0f,
                                     .windows = 0.0f,
                                     .head_lamps = 0.0f,
                                     .sky_top = 0.60f,
                                     .sky_horizon = 0.90f,
                                     .blueness = 1.0f,
                                     .saturation = 1.1f,
                                     .smoke = 0.0f,
                                     .sun = 1.0f,
                                     .warmth = 0.10f,
                                     .noise = 0.005f,
                                     .shot_noise = 0.008f,
                                     .thermal_noise = 0.005f,
                                     .moving = true};
  static constexpr Look still = {.daylight = 0.34f,
                                 .shade = 0.9f,
                                 .lamps = 0.45f,
                                 .windows = 0.66f,
                                 .head_lamps = 0.5f,
                                 .sky_top = 0.22f,
                                 .sky_horizon = 0.50f,
                                 .blueness = 0.9f,
                                 .saturation = 0.75f,
                                 .smoke = 2.2f,
                                 .sun = 0.0f,
                                 .warmth = 0.03f,
                                 .noise = 0.012f,
                                 .shot_noise = 0.012f,
                                 .thermal_noise = 0.005f,
                                 .moving = false};
  switch (pattern) {
    case Pattern::night:
      return night;
    case Pattern::day_glare:
      return day_glare;
    case Pattern::still:
      return still;
    case Pattern::smoke:
      break;
  }
  return smoke;
}

}  // namespace digfusion::scene
