// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/gradient.h"

#include <algorithm>
#include <cmath>

#include "core/fusion/gradient_loops.h"
#include "core/fusion/information_gain.h"
#include "core/fusion/tone.h"
#include "core/image/resample.h"

namespace digfusion {
namespace {

/// Mean |Sobel|² / 64 over 3×3: for one gray level a pixel it is one gray level squared.
at::Tensor gradient_energy(const at::Tensor& sources) {
  if (is_loopable(sources)) return box_filter(sobel_energy_loops(sources), 1);
  const at::Tensor padded = at::replication_pad2d(sources, {1, 1, 1, 1});
  const std::int64_t height = sources.size(2), width = sources.size(3);
  const auto rows = [&](std::int64_t y) { return padded.narrow(2, y, height); };
  const auto columns = [&](std::int64_t x) { return padded.narrow(3, x, width); };
  const at::Tensor down = rows(0) + 2 * rows(1) + rows(2), along = columns(0) + 2 * columns(1) + columns(2);
  const at::Tensor gx = down.narrow(3, 2, width) - down.narrow(3, 0, width),
                   gy = along.narrow(2, 2, height) - along.narrow(2, 0, height);
  return box_filter(at::addcmul(gx * gx, gy, gy).mul_(1. / 64), 1);
}

constexpr double usual_deviation = 50 / 127.5;  // of a picture with good contrast

/// Σ_k K ((1-λ)/K + λ W_k) (c_k - mean_k), W the weights without their detail.
at::Tensor summed_base(const at::Tensor& sources, const std::vector<double>& means, const at::Tensor& weights,
                       const GradientRule& rule) {
  const auto count = static_cast<double>(means.size());
  const at::Tensor choice = gaussian_blur(weights, rule.base_radius).mul_(count * rule.base_choice);
  at::Tensor base = at::zeros_like(sources.narrow(0, 0, 1));
  for (std::size_t k = 0; k < means.size(); ++k) {
    const auto i = static_cast<std::int64_t>(k);
    base.addcmul_(choice.narrow(0, i, 1) + (1 - rule.base_choice), sources.narrow(0, i, 1) - means[k]);
  }
  return base;
}

/// Whether another scene begins: what remains of the sources at 16×16 differs by a twentieth of the range.
bool is_cut(const at::Tensor& thumbnails, const at::Tensor& before) {
  return (thumbnails - before).abs().mean().item<double>() > 0.1;
}

/// Moves the numbers with the sources' light. Returns by how much the picture's own follows.
double follow_light(GlobalNumbers& numbers, const std::vector<double>& shift) {
  numbers.source_mean.resize(shift.size());
  double level = 0;
  for (std::size_t k = 0; k < shift.size(); ++k) {
    numbers.source_mean[k] += shift[k];
    level += shift[k] / static_cast<double>(shift.size());
  }
  numbers.tone.dark += level;
  numbers.tone.bright += level;
  return level;
}

}  // namespace

at::Tensor gaussian_blur(const at::Tensor& maps, double sigma) {
  // A large σ doesn't miss what a coarser grid leaves out.
  const auto shrink = std::max<std::int64_t>(1, static_cast<std::int64_t>(sigma / 5));
  const at::Tensor small = shrink == 1 ? maps : at::avg_pool2d(maps, shrink, shrink, 0, true, false);
  const double coarse_sigma = sigma / static_cast<double>(shrink);
  const int radius = static_cast<int>(std::ceil(3 * coarse_sigma));
  std::vector<float> kernel;
  for (int i = -radius; i <= radius; ++i)
    kernel.push_back(static_cast<float>(std::exp(-.5 * i * i / (coarse_sigma * coarse_sigma))));
  const at::Tensor blurred = window_mean(small, kernel);
  if (shrink == 1) return blurred;
  return resample(blurred, small.size(2) * shrink, small.size(3) * shrink)
      .narrow(2, 0, maps.size(2))
      .narrow(3, 0, maps.size(3));
}

at::Tensor heat_of(const at::Tensor& sources) {
  const at::Tensor infrared = sources.narrow(0, 1, sources.size(0) - 1);
  return infrared - gaussian_blur(infrared, 40);
}

at::Tensor gradient_weights(const Evidence& evidence, const at::Tensor& heat, const GradientRule& rule) {
  const at::Tensor& sources = evidence.clean;
  const bool has_errors = evidence.error.defined();
  at::Tensor log_evidence = (gradient_energy(sources) + 1e-6).log_().mul_(has_errors ? rule.energy_share : 1);
  if (has_errors) {
    const double shrink = static_cast<double>(sources.size(3)) / static_cast<double>(evidence.error.size(3));
    const int radius = static_cast<int>(std::lround(rule.error_radius / shrink));
    at::Tensor errors = (box_filter(evidence.error, radius) + 1e-7).log_().mean(1, true);
    if (shrink != 1) errors = resample(errors, sources.size(2), sources.size(3));
    log_evidence.add_(errors, 1 - rule.energy_share);
  }
  log_evidence.narrow(0, 1, heat.size(0)).add_((heat * 2.5).clamp_(0, 1), rule.hot_weight);
  return at::softmax(box_filter(log_evidence, 3).mul_(rule.sharpness), 0);
}

at::Tensor weighted_divergence(const at::Tensor& sources, const at::Tensor& weights, double gain) {
  if (is_loopable(sources) && is_loopable(weights)) return divergence_loops(sources, weights, gain);
  const std::int64_t height = sources.size(2), width = sources.size(3);
  const auto flow = [&](std::int64_t dim, std::int64_t n) {
    const at::Tensor step = sources.narrow(dim, 1, n - 1) - sources.narrow(dim, 0, n - 1);
    return (weights.narrow(dim, 0, n - 1) * step).sum(0, true);
  };
  const at::Tensor gx = flow(3, width), gy = flow(2, height);
  at::Tensor divergence = at::zeros({1, 1, height, width}, sources.options());
  divergence.narrow(3, 0, width - 1).add_(gx);
  divergence.narrow(3, 1, width - 1).sub_(gx);
  divergence.narrow(2, 0, height - 1).add_(gy);
  divergence.narrow(2, 1, height - 1).sub_(gy);
  return divergence.mul_(gain);
}

at::Tensor GradientFusion::fuse(const Evidence& evidence, const GradientRule& rule, double adaptation,
                                Laps* laps) {
  const auto mark = [&](const char* name) {
    if (laps) laps->mark(name);
  };
  const at::Tensor& sources = evidence.clean;
  const auto count = static_cast<std::size_t>(sources.size(0));
  const at::Tensor thumbnails = at::adaptive_avg_pool2d(sources, {16, 16});
  const bool has_past = adaptation < 1 && past_.rule == rule && past_.shape == sources.sizes() &&
                        !is_cut(thumbnails, past_.thumbnails);
  Past next = has_past ? past_ : Past{};
  next.rule = rule;
  next.shape = sources.sizes().vec();
  next.thumbnails = thumbnails;
  const SceneChange change = next.scene.follow(sources, rule.still_share);
  GlobalNumbers& numbers = next.numbers;
  const double shift = follow_light(numbers, change.shift);
  const double share = has_past ? std::lerp(adaptation, 1, change.renewal) : 1;
  const auto update = [&](double& mean, double now) {
    mean = share == 1 ? now : std::lerp(mean, now, share);
  };

  mark("steadiness");
  // In float64: float32 sums depend on the count of threads, and a last digit of these decides how a pixel of
  // the picture is rounded.
  const at::Tensor means = sources.mean({1, 2, 3}, false, at::kDouble).cpu();
  double level = 0;
  for (std::size_t k = 0; k < count; ++k) {
    update(numbers.source_mean[k], means.const_data_ptr<double>()[k]);
    level += numbers.source_mean[k] / static_cast<double>(count);
  }
  const at::Tensor heat = heat_of(sources);
  at::Tensor weights = gradient_weights(evidence, heat, rule);
  mark("weights");
  if (has_past) weights = mean_over_time(next.weights, weights, change);
  next.weights = weights;
  mark("steadiness");
  at::Tensor base = summed_base(sources, numbers.source_mean, weights, rule)
                        .add_(heat.amax(0, true).clamp_min_(0), rule.hot_base);
  const at::Tensor precise = base.to(at::kDouble);
  update(numbers.base_mean, precise.mean().item<double>());
  update(numbers.base_deviation, precise.std(false).item<double>());
  const double scale = std::clamp(usual_deviation / std::max(numbers.base_deviation, 1e-3), .5, 1.4);
  base = base.sub_(numbers.base_mean).mul_(scale).add_(level);

  mark("base");
  const at::Tensor right = base * rule.screening - weighted_divergence(sources, weights, rule.gain);
  const at::Tensor solution = solver_.solve(base, right, rule.screening, rule.cycles);
  mark("solve");
  const ToneRange tone = tone_range(solution);
  update(numbers.tone.dark, tone.dark);
  update(numbers.tone.bright, tone.bright);
  at::Tensor fused = fit_tone(solution, numbers.tone);
  mark("tone");
  if (has_past) fused = mean_over_time(next.fused, fused, change, shift);
  next.fused = fused;
  // What isn't finite is an error for the Fuser to report, and no past.
  if (std::isfinite(fused.sum().item<double>())) past_ = std::move(next);
  mark("steadiness");
  return fused;
}

}  // namespace digfusion
