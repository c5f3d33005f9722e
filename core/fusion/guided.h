// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Guided reverse diffusion: the paper's sampling. With p(c_k|x_t) = N(c_k; x̂0(x_t), r²) and ∂x̂0/∂x_t ≈ 1/√ᾱ_t
// the guided step (3) is the unguided one with x̂0 replaced by
//     x̂0' = x̂0 + s_t Σ_k w_k(t) (c_k - x̂0),
// or, with guidance=em, by DDFM's correction of x̂0 (em.h).
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <vector>

#include "core/fusion/information_gain.h"

namespace digfusion {

/// The steps of a guided sampling and where its weights come from; numbers only.
struct GuidedPlan {
  std::vector<int> timesteps;  ///< t_i, falling
  std::vector<int> levels;     ///< distinct timesteps at which the sources are evaluated, falling
  struct Segment {
    int first_step;  ///< its weights hold from this step to the next segment's
    int level;       ///< index of t in `levels`
    int next_level;  ///< index of t' = the level S steps later; -1 for t' = 0, where ĉ = c and l = 0
  };
  std::vector<Segment> segments;

  /// Evaluations of a picture: 31 for 25 steps, S = 10 and two sources. Each level is evaluated once, however
  /// many segments use it.
  std::size_t evaluations(std::size_t sources, int draws) const {
    return timesteps.size() + levels.size() * sources * static_cast<std::size_t>(draws);
  }
};

/// Weights are computed at steps 0, S, 2S, …; S ≥ N means once. With Distance::none or Guidance::em there are
/// no levels.
GuidedPlan plan_guided(const NoiseSchedule& schedule, const Parameters& parameters);

/// A step of the sampling as it happens, for who studies it (`digfusion reproduce theorem1`).
struct GuidedStep {
  int t;
  at::Tensor weights;  ///< w_k(t) [K,1,H,W]
  at::Tensor x0;       ///< x̂0 [1,C,H,W]
  at::Tensor guided;   ///< x̂0'
};
using StepObserver = std::function<void(const GuidedStep&)>;

/// sources [K,C,H,W] on -1..1 → [1,C,H,W] on -1..1. `noise` numbers from 0 are the gain's draws, those from
/// first_sampling_field on the sampling's. `observe`, if any, is told of each step; `weights`, if not null,
/// is given w_k of each of the plan's segments, [K,1,H,W]. What follows an evaluation is one kernel where
/// there are kernels (core/device/current_kernels.h), but not with an observer, guidance=em or a learned
/// variance.
at::Tensor sample_guided(Evaluator& evaluator, const at::Tensor& sources, const Parameters& parameters,
                         const NoiseField& noise, const StepObserver& observe = {},
                         std::vector<at::Tensor>* weights = nullptr);

inline constexpr std::int64_t first_sampling_field = 1'000'000;

}  // namespace digfusion
