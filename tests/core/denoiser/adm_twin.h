// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The guided-diffusion U-Net once more: plain loops in float64, that find their way by the names of the
// weights as the published modules are nested, not by the order in which core/denoiser/adm_unet.cpp walks.
#pragma once

#include <ATen/ATen.h>

#include "core/denoiser/adm_config.h"

namespace digfusion::twins {

/// x [C,H,W] → [out,H,W], float64, for one picture at timestep t.
at::Tensor adm_forward(const AdmConfig& config, const TensorMap& weights, const at::Tensor& x, double t);

}  // namespace digfusion::twins
