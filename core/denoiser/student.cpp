// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/student.h"

#include <cmath>

#include "core/diffusion/schedule.h"

namespace digfusion {

Student::Student(UNetConfig config, TensorMap weights, std::vector<int> timesteps)
    : config_(std::move(config)),
      weights_(std::move(weights)),
      timesteps_(std::move(timesteps)),
      scales_(timesteps_, weights_.at("head.weight").device()) {}

StudentScales::StudentScales(const std::vector<int>& timesteps, at::Device device) {
  std::vector<float> scales, offsets;
  for (const int t : timesteps) {
    scales.push_back(float(typical_error(t)));
    offsets.push_back(float(2 * std::log(typical_error(t))));
  }
  scale = at::tensor(scales).to(device).view({1, -1, 1, 1});
  offset = at::tensor(offsets).to(device).view({1, -1, 1, 1});
}

StudentEstimates Student::estimate(const at::Tensor& pictures) const {
  StudentOutputs outputs = student_forward(config_, weights_, pictures, scales_);
  return {outputs.mean, outputs.log_error.exp_()};
}

StudentOutputs student_forward(const UNetConfig& config, const TensorMap& weights, const at::Tensor& pictures,
                               const StudentScales& scales) {
  const std::int64_t levels = scales.scale.size(1);
  const at::ScalarType dtype = weights.at("head.weight").scalar_type();
  // Twice the picture: its standard deviation is about one half.
  const at::Tensor out = unet_forward(config, weights, (pictures * 2).to(dtype), {}).to(at::kFloat);
  const std::int64_t subpixels = std::int64_t{config.unshuffle} * config.unshuffle;
  const at::Tensor residual = at::pixel_shuffle(out.narrow(1, 0, levels * subpixels), config.unshuffle);
  return {at::addcmul(pictures, residual, scales.scale),
          out.narrow(1, levels * subpixels, levels) + scales.offset};
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
