// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/information_gain.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/diffusion/steps.h"

namespace digfusion {
namespace {

at::Tensor gaussian_window(const at::Tensor& like) {
  constexpr int size = 11;
  constexpr double sigma = 1.5;
  std::vector<float> window;
  double sum = 0;
  for (int i = 0; i < size; ++i) sum += std::exp(-(i - 5.0) * (i - 5.0) / (2 * sigma * sigma));
  for (int i = 0; i < size; ++i)
    window.push_back(static_cast<float>(std::exp(-(i - 5.0) * (i - 5.0) / (2 * sigma * sigma)) / sum));
  // Number by number: a copy from the host would make each frame wait for the GPU.
  at::Tensor result = at::empty({size}, like.options().dtype(at::kFloat));
  for (int i = 0; i < size; ++i) result.narrow(0, i, 1).fill_(window[static_cast<std::size_t>(i)]);
  return result;
}

at::Tensor one_minus_ssim(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor window = gaussian_window(a);
  const auto blur = [&](const at::Tensor& x) {
    const at::Tensor padded = at::reflection_pad2d(x, {5, 5, 5, 5});
    return at::conv2d(at::conv2d(padded, window.view({1, 1, 1, 11})), window.view({1, 1, 11, 1}));
  };
  constexpr double span = 2;  // of -1..1
  constexpr double c1 = (.01 * span) * (.01 * span), c2 = (.03 * span) * (.03 * span);
  const at::Tensor mean_a = blur(a), mean_b = blur(b);
  const at::Tensor variance_a = blur(a * a) - mean_a * mean_a, variance_b = blur(b * b) - mean_b * mean_b;
  const at::Tensor covariance = blur(a * b) - mean_a * mean_b;
  return 1 - (2 * mean_a * mean_b + c1) * (2 * covariance + c2) /
                 ((mean_a * mean_a + mean_b * mean_b + c1) * (variance_a + variance_b + c2));
}

}  // namespace

Prediction Evaluator::predict(const at::Tensor& xt, std::span<const int> t, at::Tensor* deep) {
  const std::int64_t total = xt.size(0), height = xt.size(2), width = xt.size(3);
  evaluations_ += static_cast<std::uint64_t>(total);
  std::vector<at::Tensor> noise, variance, features;
  batches_.run(total, height, width, at_once(height, width), [&](std::int64_t first, std::int64_t count) {
    const at::Tensor pictures = xt.narrow(0, first, count);
    const auto timesteps = t.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    at::Tensor below = deep && deep->defined() ? deep->narrow(0, first, count) : at::Tensor();
    const Prediction part =
        deep ? denoiser_.predict_reusing(pictures, timesteps, below) : denoiser_.predict(pictures, timesteps);
    noise.push_back(part.noise);
    if (part.variance.defined()) variance.push_back(part.variance);
    if (below.defined()) features.push_back(below);
  });
  const auto joined = [](const std::vector<at::Tensor>& parts) {
    return parts.empty() ? at::Tensor() : parts.size() == 1 ? parts[0] : at::cat(parts);
  };
  if (deep && !deep->defined()) *deep = joined(features);
  return {joined(noise), joined(variance)};
}

at::Tensor field_for(const at::Tensor& pictures, const NoiseField& noise, std::int64_t number) {
  constexpr std::int64_t channel_stride = std::int64_t{1} << 24;  // beyond every number in use
  std::vector<at::Tensor> channels;
  for (std::int64_t c = 0; c < pictures.size(1); ++c)
    channels.push_back(noise(number + c * channel_stride, pictures.size(2), pictures.size(3)));
  return channels.size() == 1 ? channels[0] : at::cat(channels, 1);
}

at::Tensor distance_map(const at::Tensor& a, const at::Tensor& b, Distance distance) {
  at::Tensor map;
  switch (distance) {
    case Distance::l2:
      map = (a - b).square_();
      break;
    case Distance::l1:
      map = (a - b).abs_();
      break;
    case Distance::ssim:
      map = one_minus_ssim(a.flatten(0, 1).unsqueeze(1), b.flatten(0, 1).unsqueeze(1)).view_as(a);
      break;
    case Distance::none:
      map = at::zeros_like(a);
      break;
  }
  return map.size(1) == 1 ? map : map.mean(1, true);
}

LevelEstimates estimate_levels(Evaluator& evaluator, const at::Tensor& sources,
                               std::span<const int> timesteps, Distance distance, int draws,
                               const NoiseField& noise) {
  const auto levels = static_cast<std::int64_t>(timesteps.size());
  const std::int64_t k = sources.size(0), of_a_draw = levels * k;
  std::vector<int> t;
  for (const int each : timesteps) t.insert(t.end(), static_cast<std::size_t>(k), each);
  const int most = static_cast<int>(
      std::clamp<std::int64_t>(evaluator.at_once(sources.size(2), sources.size(3)) / of_a_draw, 1, draws));

  LevelEstimates sum;
  for (int first = 0; first < draws; first += most) {
    const int together = std::min(most, draws - first);
    std::vector<at::Tensor> noisy;
    std::vector<int> all_t;
    for (int draw = first; draw < first + together; ++draw) {
      at::Tensor field = field_for(sources, noise, draw / 2);
      if (draw % 2 == 1) field = -field;
      for (const int each : timesteps)
        noisy.push_back(add_noise(sources, field, evaluator.alpha_bar(each)));  // (9)
      all_t.insert(all_t.end(), t.begin(), t.end());
    }
    const at::Tensor predicted = evaluator.predict_noise(at::cat(noisy), all_t);
    for (std::int64_t draw = 0; draw < together; ++draw) {
      std::vector<at::Tensor> estimates, distances;
      for (std::int64_t level = 0; level < levels; ++level) {
        const std::int64_t i = draw * levels + level;
        estimates.push_back(
            one_step_estimate(noisy[static_cast<std::size_t>(i)], predicted.narrow(0, i * k, k),
                              evaluator.alpha_bar(timesteps[static_cast<std::size_t>(level)])));  // (10)
        distances.push_back(distance_map(estimates.back(), sources, distance));
      }
      const at::Tensor mean = at::stack(estimates), apart = at::stack(distances);
      sum.mean = first + draw == 0 ? mean : sum.mean.add_(mean);
      sum.distance = first + draw == 0 ? apart : sum.distance.add_(apart);
    }
  }
  return {sum.mean.div_(draws), sum.distance.div_(draws)};
}

at::Tensor softmax_weights(const at::Tensor& gains, double temperature, Extent extent) {
  if (extent == Extent::global)
    return at::softmax(gains.mean({1, 2, 3}, true) * (1 / temperature), 0).expand_as(gains);
  return at::softmax(gains * (1 / temperature), 0);
}

at::Tensor power_weights(const at::Tensor& gains, double sharpness, std::int64_t dim) {
  const at::Tensor positive = gains.clamp_min(0);
  const at::Tensor largest = positive.amax(dim, true);
  // Scaled by the largest before the power, which would underflow; ones where nobody gains.
  const at::Tensor relative = at::where(largest > 1e-30, positive / largest, at::ones_like(positive));
  const at::Tensor raised = relative.pow(sharpness);
  return raised / raised.sum(dim, true);
}

}  // namespace digfusion
