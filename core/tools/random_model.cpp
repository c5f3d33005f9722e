// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/random_model.h"

#include <ATen/CPUGeneratorImpl.h>

#include <map>

#include "core/denoiser/adm_denoiser.h"
#include "core/denoiser/safetensors.h"

namespace digfusion::tools {
namespace {

AdmConfig adm_tiny_config() {
  AdmConfig config = adm_256_config();
  config.image_size = 32;
  config.model_channels = 64;
  config.widths = {64, 128};
  config.attention = {false, true};
  config.res_blocks = 1;
  return config;
}

const std::map<std::string, AdmConfig (*)()> configs = {{"adm-256", adm_256_config},
                                                        {"adm-tiny", adm_tiny_config}};

}  // namespace

std::vector<std::string> random_models() {
  std::vector<std::string> names;
  for (const auto& [name, config] : configs) names.push_back(name);
  return names;
}

void write_random_model(const std::string& name, const std::string& path, std::uint64_t seed,
                        at::ScalarType precision) {
  const AdmConfig config = configs.at(name)();
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  const WeightShapes shapes = adm_shapes(config);
  std::vector<TensorToWrite> tensors;
  for (const auto& [weight, shape] : shapes)
    tensors.push_back({weight, precision, shape, [&weight = weight, &shape = shape, &generator] {
                         return random_adm_weight(weight, shape, generator);
                       }});
  write_safetensors(path, tensors, adm_metadata(config));
}

}  // namespace digfusion::tools
