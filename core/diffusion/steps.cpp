// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/diffusion/steps.h"

#include <cmath>

namespace digfusion {

at::Tensor add_noise(const at::Tensor& x0, const at::Tensor& noise, double alpha_bar) {
  return x0 * std::sqrt(alpha_bar) + noise * std::sqrt(1 - alpha_bar);
}

at::Tensor one_step_estimate(const at::Tensor& xt, const at::Tensor& predicted_noise, double alpha_bar) {
  return ((xt - predicted_noise * std::sqrt(1 - alpha_bar)) * (1 / std::sqrt(alpha_bar))).clamp_(-1, 1);
}

double step_beta(double alpha_bar, double alpha_bar_next) { return 1 - alpha_bar / alpha_bar_next; }

double posterior_variance(double alpha_bar, double alpha_bar_next) {
  return (1 - alpha_bar_next) / (1 - alpha_bar) * step_beta(alpha_bar, alpha_bar_next);
}

at::Tensor learned_variance(const at::Tensor& v, double alpha_bar, double alpha_bar_next) {
  const double large = std::log(step_beta(alpha_bar, alpha_bar_next)),
               small = std::log(posterior_variance(alpha_bar, alpha_bar_next));
  return at::exp((v + 1) * ((large - small) / 2) + small);
}

StepFactors ddpm_factors(double alpha_bar, double alpha_bar_next, Variance variance) {
  const double alpha = alpha_bar / alpha_bar_next;
  const double of_noise = variance == Variance::fixed_large ? step_beta(alpha_bar, alpha_bar_next)
                                                            : posterior_variance(alpha_bar, alpha_bar_next);
  return {std::sqrt(alpha_bar_next) * (1 - alpha) / (1 - alpha_bar),
          std::sqrt(alpha) * (1 - alpha_bar_next) / (1 - alpha_bar),
          alpha_bar_next >= 1 ? 0 : std::sqrt(of_noise)};
}

StepFactors ddim_factors(double alpha_bar, double alpha_bar_next, double eta) {
  const double variance = eta * eta * posterior_variance(alpha_bar, alpha_bar_next),
               of_epsilon =
                   std::sqrt(std::max(1 - alpha_bar_next - variance, 0.0)) / std::sqrt(1 - alpha_bar);
  return {std::sqrt(alpha_bar_next) - of_epsilon * std::sqrt(alpha_bar), of_epsilon, std::sqrt(variance)};
}

at::Tensor ddpm_step(const at::Tensor& xt, const at::Tensor& x0, const at::Tensor& noise, double alpha_bar,
                     double alpha_bar_next, Variance variance, const at::Tensor& v) {
  const StepFactors of = ddpm_factors(alpha_bar, alpha_bar_next, variance);
  const at::Tensor mean = x0 * of.x0 + xt * of.xt;
  if (alpha_bar_next >= 1) return mean;
  if (variance == Variance::learned)
    return mean + noise * at::sqrt(learned_variance(v, alpha_bar, alpha_bar_next));
  return mean + noise * of.noise;
}

at::Tensor ddim_step(const at::Tensor& xt, const at::Tensor& x0, const at::Tensor& noise, double alpha_bar,
                     double alpha_bar_next, double eta) {
  const at::Tensor epsilon = (xt - x0 * std::sqrt(alpha_bar)) * (1 / std::sqrt(1 - alpha_bar));
  const double variance = eta * eta * posterior_variance(alpha_bar, alpha_bar_next);
  const at::Tensor mean =
      x0 * std::sqrt(alpha_bar_next) + epsilon * std::sqrt(std::max(1 - alpha_bar_next - variance, 0.0));
  return variance > 0 ? mean + noise * std::sqrt(variance) : mean;
}

}  // namespace digfusion
