// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Noise schedules and the timesteps that a sampler visits. Plain numbers in float64; no tensors.
#pragma once

#include <vector>

#include "core/parameters/parameters.h"

namespace digfusion {

/// β_t and ᾱ_t = ∏_{s≤t} (1-β_s), t = 0..T-1 (T = 1000 in every published image model).
struct NoiseSchedule {
  std::vector<double> beta;
  std::vector<double> alpha_bar;

  int timesteps() const { return static_cast<int>(beta.size()); }
  /// Standard deviation of the noise over the signal's scale: √((1-ᾱ_t)/ᾱ_t). Strictly rising with t.
  double sigma(int t) const;
  /// The timestep whose sigma() is nearest to `sigma` in ratio.
  int timestep_of(double sigma) const;
};

/// β from 1e-4 to 2e-2 in equal steps, scaled by 1000/T (Ho et al., arXiv 2006.11239; guided-diffusion).
NoiseSchedule linear_schedule(int timesteps = 1000);

/// ᾱ(t) = cos²((t/T + .008)/1.008 · π/2), β at most .999 (Nichol and Dhariwal, arXiv 2102.09672).
NoiseSchedule cosine_schedule(int timesteps = 1000);

/// `steps` timesteps, strictly falling from T-1: t_i = round((T-1)(1-i/N)^p), p = 1 (uniform) or 2
/// (quadratic); ties are broken so that all differ and the last is ≥ 0. 1 ≤ steps ≤ T, else
/// Error(invalid_argument).
std::vector<int> sampling_timesteps(int timesteps, int steps, Spacing spacing);

}  // namespace digfusion
