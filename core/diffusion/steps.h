// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Forward noising and the reverse steps, as pure functions on tensors with float64 coefficients. A noise
// level is given by its ᾱ, so that any spacing of timesteps works: ᾱ_next is that of the next, less noisy
// level, and 1 at the end. All tensors have one shape (or broadcast to it).
#pragma once

#include <ATen/ATen.h>

namespace digfusion {

/// x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε: equation (9).
at::Tensor add_noise(const at::Tensor& x0, const at::Tensor& noise, double alpha_bar);

/// x̂0 = (x_t - √(1-ᾱ_t) ε_θ)/√ᾱ_t, clipped to -1..1: equations (10) and (26). At t = 999 1/√ᾱ is 158, and
/// unclipped a small error of ε_θ would explode.
at::Tensor one_step_estimate(const at::Tensor& xt, const at::Tensor& predicted_noise, double alpha_bar);

/// DDPM's ancestral step, equation (1): the mean of q(x_next | x_t, x̂0) plus noise of its variance
/// β̃ = (1-ᾱ_next)/(1-ᾱ_t) · (1-ᾱ_t/ᾱ_next). With ᾱ_next = 1 the result is x̂0.
at::Tensor ddpm_step(const at::Tensor& xt, const at::Tensor& x0, const at::Tensor& noise, double alpha_bar,
                     double alpha_bar_next);

/// DDIM's step (arXiv 2010.02502, equation 12) with ε recomputed from x̂0; η = 0 uses no noise (`noise` may
/// then be undefined), η = 1 has DDPM's variance.
at::Tensor ddim_step(const at::Tensor& xt, const at::Tensor& x0, const at::Tensor& noise, double alpha_bar,
                     double alpha_bar_next, double eta);

}  // namespace digfusion
