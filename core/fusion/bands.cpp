// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/bands.h"

#include <cmath>
#include <limits>

#include "core/device/current_kernels.h"
#include "core/fusion/information_gain.h"

namespace digfusion {
namespace {

/// combine_bands() in one kernel; undefined where there is none for these.
at::Tensor combine_by_kernel(const at::Tensor& sources, const at::Tensor& means, const at::Tensor& weights,
                             Base base) {
  const std::int64_t pixels = sources[0].numel();
  for (const at::Tensor& each : {sources, means, weights})
    if (each.scalar_type() != at::kFloat) return {};
  if (pixels > std::numeric_limits<int>::max() || !means[0].sizes().equals(sources.sizes())) return {};
  at::Tensor fused;
  with_kernels(sources.device(), [&](const Kernels& kernels) {
    const at::Tensor s = sources.contiguous(), m = means.contiguous(),
                     w = weights.expand_as(means).contiguous();
    fused = at::empty_like(s.narrow(0, 0, 1), at::MemoryFormat::Contiguous);
    kernels.combine({s.const_data_ptr<float>(), m.const_data_ptr<float>(), w.const_data_ptr<float>(),
                     fused.mutable_data_ptr<float>(), static_cast<int>(s.size(0)),
                     static_cast<int>(m.size(0)), static_cast<int>(pixels), static_cast<int>(base)});
  });
  return fused;
}

}  // namespace

at::Tensor fuse_bands(const at::Tensor& sources, const at::Tensor& means, const at::Tensor& distances,
                      const Parameters& p, at::Tensor* used) {
  const auto keep = [used](const at::Tensor& weights) {
    if (used) *used = weights;
    return weights;
  };
  if (p.distance == Distance::none) {
    const at::Tensor equal =
        at::full({1, 1, 1, 1, 1}, 1.0 / static_cast<double>(sources.size(0)), means.options());
    return combine_bands(sources, means,
                         keep(equal.expand({means.size(0), means.size(1), 1, means.size(3), means.size(4)})),
                         p.base);
  }
  const double shrink = static_cast<double>(sources.size(3)) / static_cast<double>(distances.size(3));
  const int radius = static_cast<int>(std::lround(p.smoothing / shrink));
  // Linear interpolation keeps Σ_k w_k = 1.
  const auto to_pixels = [&](const at::Tensor& weights) {
    return shrink == 1 ? weights : at::upsample_bilinear2d(weights, sources.sizes().slice(2), false);
  };
  if (p.band_weights == BandWeights::joint) {
    const at::Tensor weights = joint_weights(box_filter(distances, radius), p.sharpness);
    const at::Tensor each = keep(to_pixels(weights.unsqueeze(0)).unsqueeze(2));
    return (each[0] * sources).sum(0, true);
  }
  const at::Tensor weights = power_weights(box_filter(level_gains(distances), radius), p.sharpness, 1);
  return combine_bands(sources, means, keep(to_pixels(weights).unsqueeze(2)), p.base);
}

at::Tensor joint_weights(const at::Tensor& distances, double sharpness) {
  constexpr double nothing = 1e-7;  // l2 of 4 % of a gray level
  return at::softmax(at::log(distances.clamp_min(0) + nothing).mean(0) * sharpness, 0);
}

at::Tensor combine_bands(const at::Tensor& sources, const at::Tensor& means, const at::Tensor& weights,
                         Base base) {
  if (at::Tensor fused = combine_by_kernel(sources, means, weights, base); fused.defined()) return fused;
  const std::int64_t levels = means.size(0);
  const at::Tensor coarsest = means[0];
  at::Tensor fused;
  switch (base) {
    case Base::average:
      fused = coarsest.mean(0, true);
      break;
    case Base::maximum:
      fused = coarsest.amax(0, true);
      break;
    case Base::mixed:
      fused = (coarsest.mean(0, true) + coarsest.amax(0, true)) * 0.5;
      break;
  }
  for (std::int64_t i = 0; i < levels; ++i) {
    const at::Tensor& below = i + 1 < levels ? means[i + 1] : sources;
    fused = fused + (weights[i] * (below - means[i])).sum(0, true);
  }
  return fused;
}

at::Tensor level_gains(const at::Tensor& distances) {
  const std::int64_t levels = distances.size(0);
  at::Tensor gains = distances.clone();
  if (levels > 1) gains.narrow(0, 0, levels - 1).sub_(distances.narrow(0, 1, levels - 1));
  return gains;
}

}  // namespace digfusion
