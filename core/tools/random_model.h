// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Networks with random weights, which take as long as trained ones.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

namespace digfusion::tools {

/// adm-256: the shape of 256x256_diffusion_uncond.pt, 552.8 M parameters; adm-tiny: a small one of its kind.
std::vector<std::string> random_models();

/// Writes such a network as safetensors. Throws std::out_of_range for another name, and what
/// write_safetensors() throws.
void write_random_model(const std::string& name, const std::string& path, std::uint64_t seed,
                        at::ScalarType precision);

}  // namespace digfusion::tools
