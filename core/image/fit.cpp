// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/fit.h"

#include <algorithm>

namespace digfusion {

at::Tensor fit_to(const at::Tensor& infrared, const at::Tensor& visible, const Placement& p) {
  return fitted(infrared, visible.size(2), visible.size(3), p).over(visible);
}

Placed fitted(const at::Tensor& infrared, std::int64_t height, std::int64_t width, const Placement& p) {
  at::Tensor scaled = infrared;
  if (infrared.size(2) != p.height || infrared.size(3) != p.width)
    scaled = at::_upsample_bilinear2d_aa(infrared, {p.height, p.width}, /*align_corners=*/false);
  const std::int64_t left = std::max<std::int64_t>(p.x, 0), top = std::max<std::int64_t>(p.y, 0);
  const std::int64_t columns = std::min(p.x + p.width, width) - left,
                     rows = std::min(p.y + p.height, height) - top;
  scaled = scaled.narrow(2, top - p.y, rows).narrow(3, left - p.x, columns);
  if (rows == height && columns == width) return {scaled, {}};
  const auto field = [&](std::int64_t channels) {
    return at::zeros({1, channels, height, width}, scaled.options());
  };
  Placed result{field(scaled.size(1)), field(1)};
  result.picture.narrow(2, top, rows).narrow(3, left, columns).copy_(scaled);
  result.share.narrow(2, top, rows).narrow(3, left, columns).fill_(1);
  return result;
}

}  // namespace digfusion
