// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/student.h"

#include <cmath>

#include "core/diffusion/schedule.h"

namespace digfusion {

Student::Student(UNetConfig config, TensorMap weights, std::vector<int> timesteps)
    : config_(std::move(config)), weights_(std::move(weights)), timesteps_(std::move(timesteps)) {}

StudentEstimates Student::estimate(const at::Tensor& pictures) const {
  StudentOutputs outputs = student_forward(config_, weights_, pictures, timesteps_);
  return {outputs.mean, outputs.log_error.exp_()};
}

StudentOutputs student_forward(const UNetConfig& config, const TensorMap& weights, const at::Tensor& pictures,
                               const std::vector<int>& timesteps) {
  const auto levels = static_cast<std::int64_t>(timesteps.size());
  const at::ScalarType dtype = weights.at("head.weight").scalar_type();
  // Twice the picture: its standard deviation is about one half.
  const at::Tensor out = unet_forward(config, weights, (pictures * 2).to(dtype), {}).to(at::kFloat);

  std::vector<float> scale, offset;
  for (const int t : timesteps) {
    scale.push_back(float(typical_error(t)));
    offset.push_back(float(2 * std::log(typical_error(t))));
  }
  const auto options = at::TensorOptions(at::kFloat);
  const at::Tensor scales = at::tensor(scale, options).to(out.device()).view({1, -1, 1, 1});
  const at::Tensor offsets = at::tensor(offset, options).to(out.device()).view({1, -1, 1, 1});
  const std::int64_t subpixels = std::int64_t{config.unshuffle} * config.unshuffle;
  const at::Tensor residual = at::pixel_shuffle(out.narrow(1, 0, levels * subpixels), config.unshuffle);
  return {at::addcmul(pictures, residual, scales), out.narrow(1, levels * subpixels, levels) + offsets};
}

UNetConfig student_config(std::size_t levels) {
  const int unshuffle = 4;
  return {.unshuffle = unshuffle,
          .widths = {32, 64, 96},
          .blocks = 2,
          .middle_blocks = 3,
          .outputs = std::int64_t(levels) * (unshuffle * unshuffle + 1),
          .embedding = 0};
}

double typical_error(int timestep) {
  // About .26, .13, .045, .014 at t = 500, 200, 60, 15: near what a small denoiser leaves, smooth in between.
  static const NoiseSchedule schedule = linear_schedule();
  const double sigma = schedule.sigma(timestep);
  return 0.16 * sigma / std::sqrt(1 + 0.36 * sigma * sigma) + 0.06 * sigma / (1 + sigma * sigma);
}

}  // namespace digfusion
