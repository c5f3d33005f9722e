// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/polarity.h"

#include <algorithm>
#include <cmath>

#include "core/image/window_mean.h"

namespace digfusion {
namespace {

constexpr std::int64_t columns = 128;  // looked at, about
constexpr double sky_weight = 1.5, largest_skewness = 2, clear = 1;

}  // namespace

double bright_lean(const at::Tensor& picture) {
  const std::int64_t factor = std::max<std::int64_t>(1, std::min(picture.size(3) / columns, picture.size(2)));
  const at::Tensor small = at::avg_pool2d(picture, factor);
  const int radius = std::max<int>(2, static_cast<int>(small.size(3) / 10));
  const at::Tensor difference = (small - box_filter(small, radius)).to(at::kDouble);
  const at::Tensor centred = difference - difference.mean();
  const double variance = centred.square().mean().item<double>();
  const double skewness =
      variance > 1e-12 ? centred.pow(3).mean().item<double>() / std::pow(variance, 1.5) : 0;
  const std::int64_t third = std::max<std::int64_t>(1, small.size(2) / 3);
  const double ground = small.narrow(2, small.size(2) - third, third).mean().item<double>();
  const double sky = small.narrow(2, 0, third).mean().item<double>();
  return std::clamp(skewness, -largest_skewness, largest_skewness) + sky_weight * (ground - sky);
}

bool PolarityWatch::is_black_hot(const at::Tensor& picture, double adaptation) {
  const double now = bright_lean(picture);
  lean_ = lean_ ? *lean_ + adaptation * (now - *lean_) : now;
  if (std::abs(*lean_) > clear) is_black_hot_ = *lean_ < 0;
  return is_black_hot_;
}

}  // namespace digfusion
