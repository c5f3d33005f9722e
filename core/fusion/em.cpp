// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/em.h"

#include <numbers>

namespace digfusion {
namespace {

/// 4 sin²(π i/n) for i = 0..count-1: what ∇ᵀ∇ along one axis multiplies frequency i with.
at::Tensor squared_response(std::int64_t count, std::int64_t n, const at::TensorOptions& options) {
  const at::Tensor i = at::arange(count, at::kDouble);
  return (at::sin(i * (std::numbers::pi / static_cast<double>(n))).square() * 4).to(options);
}

/// ∇ᵀ of circular_gradient().
at::Tensor transposed_gradient(const at::Tensor& u) {
  const at::Tensor along_x = u.narrow(0, 0, 1), along_y = u.narrow(0, 1, 1);
  return (at::roll(along_x, 1, 3) - along_x) + (at::roll(along_y, 1, 2) - along_y);
}

}  // namespace

at::Tensor expect_inverse_variance(const at::Tensor& distance, const at::Tensor& gamma) {
  return at::sqrt(2 / (gamma * (distance.square() + 1e-6)));
}

at::Tensor expect_variance(const at::Tensor& inverse, const at::Tensor& gamma) {
  return 1 / inverse + gamma / 2;
}

at::Tensor circular_gradient(const at::Tensor& s) {
  return at::cat({at::roll(s, -1, 3) - s, at::roll(s, -1, 2) - s});
}

at::Tensor solve_smooth(const at::Tensor& x, const at::Tensor& u) {
  // The normal equations (1 + ∇ᵀ∇) s = x + ∇ᵀu are diagonal in frequencies.
  const std::int64_t height = x.size(2), width = x.size(3);
  const at::Tensor response = 1 + squared_response(height, height, x.options()).view({height, 1}) +
                              squared_response(width / 2 + 1, width, x.options());
  return at::fft_irfft2(at::fft_rfft2(x + transposed_gradient(u)) / response,
                        at::IntArrayRef({height, width}));
}

EmCorrection::EmCorrection(const at::Tensor& sources, double smoothness, double splitting)
    : sources_(sources),
      smoothness_(smoothness),
      splitting_(splitting),
      gamma_(at::ones({sources.size(0), 1, 1, 1}, sources.options())),
      gradient_(at::zeros({2, sources.size(1), sources.size(2), sources.size(3)}, sources.options())) {}

at::Tensor EmCorrection::correct(const at::Tensor& x0) {
  const std::int64_t count = sources_.size(0);
  at::Tensor inverse = expect_inverse_variance(x0 - sources_, gamma_);
  const at::Tensor of_first = inverse.narrow(0, 0, 1);
  inverse = at::cat({of_first, at::minimum(inverse.narrow(0, 1, count - 1), of_first * 2)});
  gamma_ = expect_variance(inverse, gamma_).mean({1, 2, 3}, true);

  const at::Tensor first = sources_.narrow(0, 0, 1);
  at::Tensor weight = inverse.sum(0, true) * 2, total = (inverse * (sources_ - first)).sum(0, true) * 2;
  if (splitting_ > 0) {
    const at::Tensor smooth = solve_smooth(x0 - first, gradient_);
    gradient_ = circular_gradient(smooth) * (splitting_ / (2 * smoothness_ + splitting_));
    weight = weight + splitting_;
    total = total + smooth * splitting_;
  }
  const at::Tensor least = total / weight + first;
  return (sources_.sum(0, true) - least) / static_cast<double>(count - 1);
}

}  // namespace digfusion
