// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/diffusion/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/interface/error.h"

namespace digfusion {
namespace {

NoiseSchedule from_betas(std::vector<double> beta) {
  NoiseSchedule schedule{std::move(beta), {}};
  double product = 1;
  for (const double b : schedule.beta) schedule.alpha_bar.push_back(product *= 1 - b);
  return schedule;
}

}  // namespace

double NoiseSchedule::sigma(int t) const {
  const double a = alpha_bar.at(static_cast<std::size_t>(t));
  return std::sqrt((1 - a) / a);
}

int NoiseSchedule::timestep_of(double wanted) const {
  int low = 0, high = timesteps() - 1;
  while (low < high) {  // the first t with sigma(t) >= wanted
    const int middle = (low + high) / 2;
    if (sigma(middle) < wanted)
      low = middle + 1;
    else
      high = middle;
  }
  if (low > 0 && wanted / sigma(low - 1) < sigma(low) / wanted) --low;
  return low;
}

NoiseSchedule linear_schedule(int timesteps) {
  const double scale = 1000.0 / timesteps;
  std::vector<double> beta;
  for (int t = 0; t < timesteps; ++t) {
    const double fraction = timesteps > 1 ? double(t) / (timesteps - 1) : 0.0;
    beta.push_back(std::min(scale * (1e-4 + fraction * (2e-2 - 1e-4)), 0.999));
  }
  return from_betas(std::move(beta));
}

NoiseSchedule cosine_schedule(int timesteps) {
  const auto alpha_bar = [&](int t) {
    const double c = std::cos((double(t) / timesteps + .008) / 1.008 * std::numbers::pi / 2);
    return c * c;
  };
  std::vector<double> beta;
  for (int t = 0; t < timesteps; ++t) beta.push_back(std::min(1 - alpha_bar(t + 1) / alpha_bar(t), 0.999));
  return from_betas(std::move(beta));
}

std::vector<int> sampling_timesteps(int timesteps, int steps, Spacing spacing) {
  if (steps < 1 || steps > timesteps)
    throw Error(ErrorCode::invalid_argument, "parameter steps: " + std::to_string(steps) +
                                                 " is not allowed; give 1 to " + std::to_string(timesteps));
  const double power = spacing == Spacing::quadratic ? 2.0 : 1.0;
  std::vector<int> t;
  for (int i = 0; i < steps; ++i) {
    const double ideal = (timesteps - 1) * std::pow(1.0 - double(i) / steps, power);
    // Leaves room for the steps still to come, so that they can fall strictly and end at or above 0.
    int value = std::max(static_cast<int>(std::lround(ideal)), steps - 1 - i);
    if (!t.empty()) value = std::min(value, t.back() - 1);
    t.push_back(value);
  }
  return t;
}

}  // namespace digfusion
