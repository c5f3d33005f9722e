// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/guided.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "core/device/current_kernels.h"
#include "core/diffusion/steps.h"
#include "core/fusion/em.h"

namespace digfusion {
namespace {

/// w_k(t) for each segment of the plan, each [K,1,H,W], for sources [K,C,H,W].
std::vector<at::Tensor> segment_weights(Evaluator& evaluator, const GuidedPlan& plan,
                                        const at::Tensor& sources, const Parameters& p,
                                        const NoiseField& noise) {
  if (plan.levels.empty())
    return {at::full_like(sources.narrow(1, 0, 1), 1.0 / static_cast<double>(sources.size(0)))};
  const at::Tensor distance =
      estimate_levels(evaluator, sources, plan.levels, p.distance, p.draws, noise).distance;
  std::vector<at::Tensor> weights;
  for (const GuidedPlan::Segment& s : plan.segments) {
    const at::Tensor gain =
        s.next_level < 0 ? distance[s.level] : distance[s.level] - distance[s.next_level];       // (8)
    weights.push_back(softmax_weights(box_filter(gain, p.smoothing), p.temperature, p.extent));  // (11)
  }
  return weights;
}

/// s_t: how far a step pulls x̂0 to the weighted sources.
double guidance_scale(const Parameters& p, double alpha_bar) {
  if (p.guidance == Guidance::constant) return p.guidance_scale;
  const double variance = 1 - alpha_bar;
  return variance / (variance + p.sensor_noise * p.sensor_noise);
}

/// From an evaluation to the next state in one kernel, on pictures of one shape. `noise` may be undefined.
bool step_by_kernel(at::Tensor& x, const at::Tensor& predicted, const at::Tensor& target,
                    const at::Tensor& noise, double alpha_bar, double guidance, const StepFactors& of) {
  const auto numbers = x.numel();
  if (numbers > std::numeric_limits<int>::max()) return false;
  for (const at::Tensor& each : {x, predicted, target, noise})
    if (each.defined() && (each.scalar_type() != at::kFloat || each.numel() != numbers)) return false;
  return with_kernels(x.device(), [&](const Kernels& kernels) {
    const at::Tensor from = x.contiguous(), epsilon = predicted.contiguous(), to = target.contiguous(),
                     z = noise.defined() ? noise.contiguous() : noise;
    at::Tensor next = at::empty_like(from);
    GuidedStepCall call{};
    call.x = from.const_data_ptr<float>(), call.predicted = epsilon.const_data_ptr<float>();
    call.target = to.const_data_ptr<float>();
    call.noise = z.defined() ? z.const_data_ptr<float>() : nullptr;
    call.next = next.mutable_data_ptr<float>();
    call.numbers = static_cast<int>(numbers);
    call.root_alpha_bar = static_cast<float>(std::sqrt(alpha_bar));
    call.root_rest = static_cast<float>(std::sqrt(1 - alpha_bar));
    call.guidance = static_cast<float>(guidance);
    call.of_x0 = static_cast<float>(of.x0), call.of_xt = static_cast<float>(of.xt);
    call.of_noise = static_cast<float>(of.noise);
    kernels.guided_step(call);
    x = next;
  });
}

}  // namespace

GuidedPlan plan_guided(const NoiseSchedule& schedule, const Parameters& p) {
  GuidedPlan plan;
  plan.timesteps = sampling_timesteps(schedule.timesteps(), p.steps, p.spacing);
  if (p.distance == Distance::none || p.guidance == Guidance::em) {
    plan.segments.push_back({0, -1, -1});
    return plan;
  }
  const auto level_of = [&](int step) {
    const int t = plan.timesteps[static_cast<std::size_t>(step)];
    const auto found = std::find(plan.levels.begin(), plan.levels.end(), t);
    if (found != plan.levels.end()) return static_cast<int>(found - plan.levels.begin());
    plan.levels.push_back(t);
    return static_cast<int>(plan.levels.size()) - 1;
  };
  for (int step = 0; step < p.steps; step += p.interval) {
    const int level = level_of(step);
    const int next = step + p.interval < p.steps ? level_of(step + p.interval) : -1;
    plan.segments.push_back({step, level, next});
  }
  return plan;
}

at::Tensor sample_guided(Evaluator& evaluator, const at::Tensor& sources, const Parameters& p,
                         const NoiseField& noise, const StepObserver& observe,
                         std::vector<at::Tensor>* used) {
  const GuidedPlan plan = plan_guided(evaluator.denoiser().schedule(), p);
  const std::vector<at::Tensor> weights = segment_weights(evaluator, plan, sources, p, noise);
  if (used) *used = weights;
  const auto field = [&](int step) { return field_for(sources, noise, first_sampling_field + step); };

  std::optional<EmCorrection> em;
  if (p.guidance == Guidance::em) em.emplace(sources, p.smoothness, p.splitting);

  at::Tensor x = field(0);
  std::size_t segment = 0;
  at::Tensor target = (weights[0] * sources).sum(0, true);  // Σ_k w_k c_k
  at::Tensor deep;  // features of the state x_t; the gain's evaluations are of other pictures and share none
  for (int i = 0; i < p.steps; ++i) {
    if (segment + 1 < plan.segments.size() && plan.segments[segment + 1].first_step == i)
      target = (weights[++segment] * sources).sum(0, true);
    const int t = plan.timesteps[static_cast<std::size_t>(i)];
    const double alpha_bar = evaluator.alpha_bar(t);
    const bool last = i + 1 == p.steps;
    const double alpha_bar_next =
        last ? 1.0 : evaluator.alpha_bar(plan.timesteps[static_cast<std::size_t>(i) + 1]);

    if (i % p.feature_reuse == 0) deep.reset();
    const Prediction prediction = evaluator.predict(x, {&t, 1}, p.feature_reuse > 1 ? &deep : nullptr);
    const bool is_ddpm = p.sampler == Sampler::ddpm;
    const at::Tensor z = last || (!is_ddpm && p.eta == 0) ? at::Tensor() : field(i + 1);
    if (!em && !observe && !(is_ddpm && p.variance == Variance::learned) &&
        step_by_kernel(x, prediction.noise, target, z, alpha_bar, guidance_scale(p, alpha_bar),
                       is_ddpm ? ddpm_factors(alpha_bar, alpha_bar_next, p.variance)
                               : ddim_factors(alpha_bar, alpha_bar_next, p.eta)))
      continue;
    const at::Tensor x0 = one_step_estimate(x, prediction.noise, alpha_bar);  // (26)
    const at::Tensor guided = em ? em->correct(x0) : at::lerp(x0, target, guidance_scale(p, alpha_bar));
    if (observe) observe({t, weights[segment], x0, guided});
    x = is_ddpm ? ddpm_step(x, guided, z, alpha_bar, alpha_bar_next, p.variance, prediction.variance)
                : ddim_step(x, guided, z, alpha_bar, alpha_bar_next, p.eta);
  }
  return x;
}

}  // namespace digfusion
