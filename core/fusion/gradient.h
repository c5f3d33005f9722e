// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Gradient-domain fusion (docs/algorithm.md, `gradient`): a base that keeps the contrast of all sources and
// lifts hot targets, gradients chosen by information gain, and the picture that has both, from a screened
// Poisson equation. Sources are on -1..1; the first is the visible picture, the others are infrared.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "core/fusion/poisson.h"
#include "core/fusion/temporal.h"
#include "core/fusion/tone.h"
#include "core/interface/stages.h"

namespace digfusion {

/// What speaks for each source, and the sources without their noise.
struct Evidence {
  at::Tensor clean;  ///< [K,1,H,W]: what is fused
  /// [K,L,h,w]: E[(ĉ_k^t - c_k)²] for L noise levels, the gain still to come below each; on the sources' grid
  /// or one that is coarser by a whole factor. Undefined: gradient energy speaks alone.
  at::Tensor error;
};

/// The numbers of the rule; docs/algorithm.md says what each does, docs/quality.md where it comes from.
struct GradientRule {
  double gain = 1;            ///< of the chosen gradients
  double hot_base = 0.5;      ///< how much of the heat is added to the base
  double hot_weight = 0.8;    ///< what a target of full heat adds to the infrared source's log evidence
  double energy_share = 0.4;  ///< of gradient energy in the log evidence; the rest is the error maps'
  double error_radius = 8;    ///< of the box filter over the error maps, pixels
  double sharpness = 10;      ///< exponent of the evidence in the weights
  double base_choice = 0.15;  ///< λ: 0 adds the sources up in the base, 1 lets the weights choose there too
  double base_radius = 16;    ///< σ of the weights' blur for that, pixels
  double screening = 0.003;   ///< μ
  int cycles = 2;             ///< of multigrid
  double still_share = 0.02;  ///< of a new frame in weights and picture where nothing moves; 1 for no past
  bool operator==(const GradientRule&) const = default;
};

/// The numbers of a picture that reach every pixel. In a video they are averaged over time; else small
/// changes of the scene would make all of it lighter or darker.
struct GlobalNumbers {
  std::vector<double> source_mean;
  double base_mean = 0, base_deviation = 0;  ///< before the base is moved and scaled
  ToneRange tone{};                          ///< of the solution
};

/// One stream's fusion. Not thread-safe.
class GradientFusion {
 public:
  /// Evidence for K ≥ 2 sources → [1,1,H,W] within -1..1. `adaptation` in 0..1 is the share of this picture
  /// in the global numbers' means over time. There is no past for the first picture, after reset(), when the
  /// rule or size or count of the sources change, at a cut, and with an adaptation of 1. `laps`, if not null,
  /// is told where the time goes.
  at::Tensor fuse(const Evidence& evidence, const GradientRule& rule, double adaptation,
                  Laps* laps = nullptr);

  void reset() { past_ = {}; }

  /// What is known of the pictures before. A value: copies share tensors that nobody writes to.
  struct Past {
    GlobalNumbers numbers;
    GradientRule rule;
    SceneMemory scene;
    at::Tensor weights, fused;  // means over time
    std::vector<std::int64_t> shape;
    at::Tensor thumbnails;
  };
  const Past& past() const { return past_; }
  void set_past(Past&& past) noexcept { past_ = std::move(past); }

  /// Of the last picture, [K,1,H,W], Σ_k = 1: the mean over time that its gradients were chosen by. Undefined
  /// before the first one and after reset().
  const at::Tensor& weights() const { return past_.weights; }

 private:
  ScreenedPoisson solver_;
  Past past_;
};

/// How far each infrared source is above its surroundings (a Gaussian of σ = 40 pixels): sources [K,1,H,W] →
/// [K-1,1,H,W].
at::Tensor heat_of(const at::Tensor& sources);

/// Gaussian of any σ > 0, in pixels; the border counts for less, not for black. maps [N,1,H,W].
at::Tensor gaussian_blur(const at::Tensor& maps, double sigma);

/// Σ_k w_k = 1: [K,1,H,W]. heat as heat_of() returns it.
at::Tensor gradient_weights(const Evidence& evidence, const at::Tensor& heat, const GradientRule& rule);

/// div G of G = gain Σ_k w_k ∇c_k, forward differences, none across the border: → [1,1,H,W].
at::Tensor weighted_divergence(const at::Tensor& sources, const at::Tensor& weights, double gain);

}  // namespace digfusion
