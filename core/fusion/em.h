// SPDX-License-Identifier: LGPL-2.1-or-later
//
// DDFM's likelihood rectification (Zhao et al., "DDFM: Denoising Diffusion Model for Multi-Modality Image
// Fusion", ICCV 2023, arXiv 2303.06840, section 3.3): fusion as  min_f Σ_k |f - c_k|_1  plus a smooth
// x = f - c_1. The 1-norms are Laplace distributions, written as normal ones whose variances m_k are unknown
// and exponentially distributed with mean γ_k; one round of expectation-maximisation follows each x̂0 of the
// reverse diffusion. The paper has K = 2; its equations serve any K ≥ 2 as they are (docs/algorithm.md says
// what else was decided).
#pragma once

#include <ATen/ATen.h>

namespace digfusion {

/// The E step for a pixel's distance r to a source, from p(m | r) ∝ m^-½ exp(-r²/2m - m/γ), which makes 1/m
/// inverse Gaussian: E[1/m] = √(2/(γ (r² + 1e-6))), the weight of (f - c_k)² in the M step.
/// distance [K,C,H,W] and gamma [K,1,1,1] → [K,C,H,W]. The 1e-6 (ours) bounds the weights.
at::Tensor expect_inverse_variance(const at::Tensor& distance, const at::Tensor& gamma);

/// E[m] = 1/E[1/m] + γ/2, whose mean over the pixels is the next γ. inverse [K,C,H,W], gamma [K,1,1,1].
at::Tensor expect_variance(const at::Tensor& inverse, const at::Tensor& gamma);

/// argmin_s ||u - ∇s||² + ||s - x||², exactly, by Fourier transform: x [1,C,H,W], u = (u_x, u_y) [2,C,H,W]. ∇
/// are differences to the next pixel, around the border.
at::Tensor solve_smooth(const at::Tensor& x, const at::Tensor& u);

/// ∇ of solve_smooth(): s [1,C,H,W] → [2,C,H,W], along x and along y.
at::Tensor circular_gradient(const at::Tensor& s);

/// One picture's correction: γ and u pass from step to step of the sampling.
class EmCorrection {
 public:
  /// sources [K,C,H,W], K ≥ 2, the first one is c_1; ψ = smoothness ≥ 0 and η = splitting ≥ 0 of
  ///     Σ_k E[1/m_k] (f - c_k)² + ψ ||u||² + η/2 (||u - ∇s||² + ||s - x||²).
  EmCorrection(const at::Tensor& sources, double smoothness, double splitting);

  /// x̂0 [1,C,H,W] → what takes its place: one E step, one round of the M step over s, u and x, and the result
  /// turned round between the sources, as DDFM's code has it (docs/algorithm.md says why).
  at::Tensor correct(const at::Tensor& x0);

 private:
  at::Tensor sources_;
  double smoothness_, splitting_;
  at::Tensor gamma_;     // [K,1,1,1]
  at::Tensor gradient_;  // u [2,C,H,W]
};

}  // namespace digfusion
