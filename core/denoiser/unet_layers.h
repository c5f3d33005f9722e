// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <vector>

#include "core/denoiser/unet.h"

namespace digfusion {

/// What a layer computes and moves for one picture: for the least time that a device can take.
struct LayerCost {
  double multiply_adds;
  double numbers;  ///< of input and output, each once
  double weights;  ///< once for all pictures of a batch
};

/// Of every convolution on a picture of this size; `fine` as in unet_multiply_adds(), which is the sum.
std::vector<LayerCost> unet_layers(const UNetConfig& config, std::int64_t height, std::int64_t width,
                                   bool fine = true);

}  // namespace digfusion
