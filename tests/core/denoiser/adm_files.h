// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Guided-diffusion networks of the tests: tiny, with random weights.
#pragma once

#include <ATen/CPUGeneratorImpl.h>

#include <cstdint>

#include "core/denoiser/adm_unet.h"

namespace digfusion {

/// 32 and 64 channels, attention with two heads at the coarser level, convolutions between the levels.
inline AdmConfig tiny_adm_config() {
  AdmConfig config;
  config.image_size = 16;
  config.model_channels = 32;
  config.widths = {32, 64};
  config.attention = {false, true};
  config.res_blocks = 1;
  config.heads = config.heads_upsample = 2;
  config.head_channels = -1;
  config.scale_shift_norm = config.resblock_updown = false;
  return config;
}

inline TensorMap random_adm(const AdmConfig& config, std::uint64_t seed) {
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  TensorMap weights;
  for (const auto& [name, shape] : adm_shapes(config))
    weights[name] = random_adm_weight(name, shape, generator);
  return weights;
}

}  // namespace digfusion
