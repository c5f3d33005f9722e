// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Noise as cameras make it, for training: white; rising with the light (shot noise); in the dark; correlated
// between neighbours, as demosaicing and compression leave it; in columns, as infrared sensors have it;
// clipped and rounded to 8 bits.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "core/image/noise_estimate.h"

namespace digfusion {

struct SensorNoise {
  at::Tensor clean;  ///< [N,1,H,W]: the pictures, some of them darkened
  at::Tensor noisy;  ///< what the camera gives of them
  /// What estimate_noise() would find on flat ground, within its errors; {0, 0} where noisy is clean.
  std::vector<NoiseLevel> level;
};

/// pictures [N,1,H,W] float32 on -1..1, on the CPU. One in eight stays clean; white noise is up to 60 of 255,
/// column noise up to 16.
SensorNoise sensor_noise(const at::Tensor& pictures, at::Generator generator);

}  // namespace digfusion
