// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/bands.h"

namespace digfusion {

at::Tensor combine_bands(const at::Tensor& sources, const at::Tensor& means, const at::Tensor& weights,
                         Base base) {
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
