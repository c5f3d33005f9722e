// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/denoiser.h"

#include <cmath>
#include <vector>

namespace digfusion {
namespace {

constexpr double sigma_data = 0.5;  // standard deviation of luma pictures on -1..1

}  // namespace

at::Tensor at_timesteps(const at::Tensor& table, std::span<const int> t) {
  std::vector<at::Tensor> rows;
  for (const int each : t) rows.push_back(table.narrow(0, each, 1));
  return rows.size() == 1 ? rows[0] : at::cat(rows);
}

LumaDenoiser::LumaDenoiser(UNetConfig config, TensorMap weights)
    : config_(std::move(config)),
      weights_(std::move(weights)),
      dtype_(weights_.at("head.weight").scalar_type()) {
  std::vector<float> sigmas, scales;
  for (int t = 0; t < schedule_.timesteps(); ++t) {
    sigmas.push_back(static_cast<float>(schedule_.sigma(t)));
    scales.push_back(static_cast<float>(1 / std::sqrt(schedule_.alpha_bar[static_cast<std::size_t>(t)])));
  }
  const at::Device device = weights_.at("head.weight").device();
  sigma_ = at::tensor(sigmas).to(device);
  scale_ = at::tensor(scales).to(device);
}

at::Tensor LumaDenoiser::evaluate(const at::Tensor& xt, std::span<const int> t, at::Tensor* deep) const {
  const at::Tensor sigma = at_timesteps(sigma_, t);
  const at::Tensor noisy = xt * at_timesteps(scale_, t).view({-1, 1, 1, 1});
  const at::Tensor clean = luma_denoise(config_, weights_, noisy, sigma, deep);
  return (noisy - clean) / sigma.view({-1, 1, 1, 1});
}

at::Tensor luma_denoise(const UNetConfig& config, const TensorMap& weights, const at::Tensor& noisy,
                        const at::Tensor& sigma, at::Tensor* deep) {
  const at::ScalarType dtype = weights.at("head.weight").scalar_type();
  const at::Tensor s = sigma.view({-1, 1, 1, 1});
  const at::Tensor total = s * s + sigma_data * sigma_data;
  const at::Tensor c_skip = (sigma_data * sigma_data) / total;
  const at::Tensor c_out = s * sigma_data / total.sqrt();
  const at::Tensor c_in = 1 / total.sqrt();
  const at::Tensor f = unet_forward(config, weights, (noisy * c_in).to(dtype), sigma.log() * 0.25, deep);
  return noisy * c_skip + at::pixel_shuffle(f.to(at::kFloat), config.unshuffle) * c_out;
}

UNetConfig luma_denoiser_config() {
  return {.unshuffle = 2,
          .widths = {32, 64, 96},
          .blocks = 2,
          .middle_blocks = 3,
          .outputs = 4,
          .embedding = 128};
}

}  // namespace digfusion
