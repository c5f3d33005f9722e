// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/gradient_student.h"

#include <algorithm>
#include <cmath>

#include "core/denoiser/student.h"
#include "core/image/tiles.h"
#include "core/image/window_mean.h"
#include "core/interface/error.h"

namespace digfusion {
namespace {

constexpr int level_numbers = 4;
constexpr int clean_blur_radius = 1;  // of the box filter that is applied twice

/// What the network is told of each picture's noise, [K,4]: both levels, of order 1 at 35 and 8 of 255, and
/// their roots, which tell small levels apart.
at::Tensor told_levels(std::span<const NoiseLevel> noise, at::Device device) {
  std::vector<float> told;
  for (const NoiseLevel& n : noise)
    for (const double level : {n.white / 32, std::sqrt(n.white / 32), n.column / 8, std::sqrt(n.column / 8)})
      told.push_back(float(level));
  return at::tensor(told).view({-1, level_numbers}).to(device);
}

std::vector<float> log_offsets(const std::vector<int>& timesteps) {
  std::vector<float> offsets;
  for (const int t : timesteps) offsets.push_back(float(2 * std::log(typical_error(t))));
  return offsets;
}

}  // namespace

std::vector<float> GradientStudent::log_error_offsets() const { return log_offsets(timesteps_); }

GradientStudent::GradientStudent(UNetConfig config, TensorMap weights, std::vector<int> timesteps)
    : config_(std::move(config)), weights_(std::move(weights)), timesteps_(std::move(timesteps)) {}

GradientEstimates GradientStudent::estimate(const at::Tensor& pictures, std::span<const NoiseLevel> noise,
                                            std::int64_t largest_tile) const {
  if (pictures.size(0) != std::int64_t(noise.size()))
    throw Error(ErrorCode::invalid_argument, "a student needs the noise level of each of its " +
                                                 std::to_string(pictures.size(0)) + " pictures, and has " +
                                                 std::to_string(noise.size()));
  const std::int64_t height = pictures.size(2), width = pictures.size(3);
  if (height * width <= largest_tile) return estimate_tile(pictures, noise);

  const std::int64_t cell = 2 * config_.unshuffle;  // of the error maps
  const bool noisy =
      std::any_of(noise.begin(), noise.end(), [](const NoiseLevel& n) { return n.total() > 0; });
  GradientEstimates whole{
      noisy ? at::empty_like(pictures) : pictures,
      at::empty({pictures.size(0), config_.side, height / cell, width / cell}, pictures.options())};
  const std::int64_t reach = unet_reach(config_) + 2 * clean_blur_radius;
  const std::int64_t halo = (reach + multiple() - 1) / multiple() * multiple();
  for (const auto& [rows, columns] : tiles_of(height, width, multiple(), halo, largest_tile)) {
    const GradientEstimates part = estimate_tile(
        pictures.narrow(2, rows.first, rows.size).narrow(3, columns.first, columns.size), noise);
    const auto keep = [&](const at::Tensor& to, const at::Tensor& from, std::int64_t shrink) {
      to.narrow(2, rows.inner_first / shrink, rows.inner_size / shrink)
          .narrow(3, columns.inner_first / shrink, columns.inner_size / shrink)
          .copy_(from.narrow(2, (rows.inner_first - rows.first) / shrink, rows.inner_size / shrink)
                     .narrow(3, (columns.inner_first - columns.first) / shrink, columns.inner_size / shrink));
    };
    if (noisy) keep(whole.clean, part.clean, 1);
    keep(whole.error, part.error, cell);
  }
  return whole;
}

GradientEstimates GradientStudent::estimate_tile(const at::Tensor& pictures,
                                                 std::span<const NoiseLevel> noise) const {
  std::vector<std::int64_t> noisy;
  for (std::size_t k = 0; k < noise.size(); ++k)
    if (noise[k].total() > 0) noisy.push_back(std::int64_t(k));
  const GradientStudentOutputs out =
      gradient_student_forward(config_, weights_, pictures, noise, timesteps_, noisy);
  at::Tensor clean = pictures;
  if (std::int64_t(noisy.size()) == pictures.size(0))
    clean = out.clean;
  else if (!noisy.empty()) {
    clean = pictures.clone();
    for (std::size_t i = 0; i < noisy.size(); ++i)
      clean.narrow(0, noisy[i], 1).copy_(out.clean.narrow(0, std::int64_t(i), 1));
  }
  return {clean, out.log_error.exp()};
}

GradientStudentOutputs gradient_student_forward(const UNetConfig& config, const TensorMap& weights,
                                                const at::Tensor& pictures, std::span<const NoiseLevel> noise,
                                                const std::vector<int>& timesteps,
                                                const std::vector<std::int64_t>& noisy) {
  const at::ScalarType dtype = weights.at("head.weight").scalar_type();
  // Twice the picture: its standard deviation is about one half.
  const UNetOutputs out = unet_forward_both(config, weights, (pictures * 2).to(dtype),
                                            told_levels(noise, pictures.device()), noisy);
  const at::Tensor offsets = at::tensor(log_offsets(timesteps)).to(pictures.device()).view({1, -1, 1, 1});
  GradientStudentOutputs result;
  if (!noisy.empty()) {
    std::vector<at::Tensor> rows;
    std::vector<float> skip, scale;
    for (const std::int64_t i : noisy) {
      const double level = noise[std::size_t(i)].total(),
                   sum = level * level + fine_structure * fine_structure;
      rows.push_back(pictures.narrow(0, i, 1));
      skip.push_back(float(fine_structure * fine_structure / sum));
      scale.push_back(float(level * fine_structure / std::sqrt(sum) / 127.5));
    }
    const at::Tensor y = at::cat(rows),
                     blurred = box_filter(box_filter(y, clean_blur_radius), clean_blur_radius);
    const auto column = [&](const std::vector<float>& v) {
      return at::tensor(v).to(pictures.device()).view({-1, 1, 1, 1});
    };
    result.clean = at::addcmul(at::addcmul(blurred, y - blurred, column(skip)),
                               at::pixel_shuffle(out.fine.to(at::kFloat), config.unshuffle), column(scale));
  }
  result.log_error = out.side.to(at::kFloat) + offsets;
  return result;
}

UNetConfig gradient_student_config(std::size_t levels) {
  const int unshuffle = 4;
  return {.unshuffle = unshuffle,
          .widths = {32, 48, 80},
          .blocks = 1,
          .middle_blocks = 2,
          .outputs = unshuffle * unshuffle,
          .embedding = 0,
          .down_blocks = {0, 1},
          .up_blocks = {3, 1},
          .told = level_numbers,
          .side = std::int64_t(levels)};
}

std::vector<int> gradient_student_timesteps() { return {200, 60, 15}; }

}  // namespace digfusion
