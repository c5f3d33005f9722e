// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/training/sensor_noise.h"

#include <algorithm>
#include <cmath>

namespace digfusion {
namespace {

constexpr double most_white = 60, most_column = 16, unit = 127.5;

class Dice {
 public:
  explicit Dice(at::Generator generator) : generator_(std::move(generator)) {}
  double uniform(double low, double high) {
    return low + (high - low) * at::rand({}, generator_, at::kDouble).item<double>();
  }
  double log_uniform(double low, double high) { return low * std::exp(uniform(0, 1) * std::log(high / low)); }
  double normal() { return at::randn({}, generator_, at::kDouble).item<double>(); }
  bool chance(double share) { return uniform(0, 1) < share; }
  at::Tensor field(at::IntArrayRef shape) { return at::randn(shape, generator_); }

 private:
  at::Generator generator_;
};

at::Tensor unit_variance(const at::Tensor& field) {
  return field / field.square().mean().sqrt().clamp_min(1e-6);
}

/// Of unit variance: [1,1,H,W].
at::Tensor white_field(const at::Tensor& clean, Dice& dice) {
  at::Tensor field = dice.field(clean.sizes());
  if (dice.chance(0.3)) {  // neighbours share some of it
    const double a = dice.uniform(0, 0.25), b = dice.chance(0.7) ? a : 0;
    const at::Tensor along = at::tensor({float(a), float(1 - 2 * a), float(a)}),
                     across = at::tensor({float(b), float(1 - 2 * b), float(b)});
    const at::Tensor kernel = at::outer(across, along).view({1, 1, 3, 3});
    field = unit_variance(at::conv2d(at::replication_pad2d(field, {1, 1, 1, 1}), kernel));
  }
  if (dice.chance(0.5)) {  // the variance is a + b c
    const double share = dice.uniform(0, 1);
    field = unit_variance(field * ((1 - share) + share * (clean + 1)).clamp_min(0).sqrt());
  }
  return field;
}

/// Of unit variance, one number a column, or changing slowly down the column: [1,1,H,W].
at::Tensor column_field(const at::Tensor& clean, Dice& dice) {
  const std::int64_t height = clean.size(2), width = clean.size(3);
  const at::Tensor columns = dice.field({1, 1, 1, width});
  if (!dice.chance(0.3)) return unit_variance(columns.expand(clean.sizes()));
  const at::Tensor down = at::linspace(0, dice.uniform(0.2, 1), height).view({1, 1, height, 1});
  return unit_variance(columns * (1 - down) + dice.field({1, 1, 1, width}) * down);
}

/// What estimate_noise()'s operator sees of a field, in its units, on 0..255.
double seen_as_white(const at::Tensor& field) {
  const at::Tensor second = at::tensor({1.f, -2.f, 1.f});
  const at::Tensor seen = at::conv2d(field, at::outer(second, second).view({1, 1, 3, 3}));
  return seen.square().mean().sqrt().item<double>() / 6 * unit;
}

}  // namespace

SensorNoise sensor_noise(const at::Tensor& pictures, at::Generator generator) {
  Dice dice(std::move(generator));
  SensorNoise result{pictures.clone(), {}, {}};
  result.noisy = at::empty_like(result.clean);
  for (std::int64_t i = 0; i < pictures.size(0); ++i) {
    result.level.emplace_back();
    at::Tensor clean = result.clean.narrow(0, i, 1);
    if (dice.chance(0.15)) clean.add_(1).mul_(dice.log_uniform(0.1, 0.6)).sub_(1);  // low light
    const double kind = dice.uniform(0, 1);
    at::Tensor noisy = result.noisy.narrow(0, i, 1);
    noisy.copy_(clean);
    if (kind < 0.125) continue;
    NoiseLevel& level = result.level.back();
    at::Tensor noise = at::zeros_like(clean);
    const bool columns = kind < 0.4;
    if (!columns || dice.chance(0.6)) {
      const double most = columns ? most_white / 2 : most_white;
      const double sigma = dice.chance(0.5) ? dice.uniform(1, most) : dice.log_uniform(1, most);
      noise.add_(white_field(clean, dice), sigma / unit);
      level.white = std::min(seen_as_white(noise) * std::exp(0.1 * dice.normal()), 1.2 * most_white);
    }
    if (columns) {
      const double sigma = dice.log_uniform(0.7, most_column);
      noise.add_(column_field(clean, dice), sigma / unit);
      level.column = sigma * std::exp(0.15 * dice.normal());
    }
    noisy.add_(noise);
    if (dice.chance(0.5)) noisy.copy_(((noisy.clamp(-1, 1) + 1) * unit).round() / unit - 1);
  }
  return result;
}

}  // namespace digfusion
