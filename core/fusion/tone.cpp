// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/tone.h"

#include <algorithm>

namespace digfusion {

at::Tensor stretch_contrast(const at::Tensor& picture, double limit) {
  constexpr double reach = 0.95;
  const at::Tensor ends =
      at::quantile(picture.flatten(), at::tensor({0.01f, 0.99f}, picture.options())).cpu();
  const double dark = ends[0].item<double>(), bright = ends[1].item<double>();
  const double half = std::max((bright - dark) / 2, 1e-6), middle = (bright + dark) / 2;
  const double gain = std::clamp(reach / half, 1.0, limit);
  // Where the stretched range juts out on one side it is moved, at most until it touches the other.
  const double room = std::max(reach - gain * half, 0.0);
  return (picture - middle) * gain + std::clamp(middle, -room, room);
}

}  // namespace digfusion
