// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/denoiser.h"

#include <cmath>
#include <vector>

namespace digfusion {
namespace {

constexpr double sigma_data = 0.5;  // standard deviation of luma pictures on -1..1

}  // namespace

LumaDenoiser::LumaDenoiser(UNetConfig config, TensorMap weights)
    : config_(std::move(config)),
      weights_(std::move(weights)),
      dtype_(weights_.at("head.weight").scalar_type()) {}

at::Tensor LumaDenoiser::evaluate(const at::Tensor& xt, std::span<const int> t, at::Tensor* deep) const {
  std::vector<float> sigmas, scales;
  for (const int each : t) {
    sigmas.push_back(static_cast<float>(schedule_.sigma(each)));
    scales.push_back(static_cast<float>(1 / std::sqrt(schedule_.alpha_bar[static_cast<std::size_t>(each)])));
  }
  const at::Tensor sigma = at::tensor(sigmas).to(xt.device());
  const at::Tensor noisy = xt * at::tensor(scales).to(xt.device()).view({-1, 1, 1, 1});
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
