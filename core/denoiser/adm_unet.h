// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The guided-diffusion U-Net (Dhariwal and Nichol, arXiv 2105.05233) as pure functions of weights. Tensors
// have the names of the published checkpoints.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/denoiser/adm_config.h"
#include "core/denoiser/unet.h"
#include "core/denoiser/weights.h"

namespace digfusion {

/// Name and shape of every weight, in the order of the forward pass.
WeightShapes adm_shapes(const AdmConfig& config);

/// The dtype of a weight in a network computed in `precision`: as in the published code, the blocks' have it,
/// while those of the timestep's embedding, the normalisations and the last layer stay float32.
at::ScalarType adm_weight_type(const std::string& name, at::ScalarType precision);

/// x [N,in_channels,H,W] float32, H and W multiples of config.multiple(); t [N] timesteps, float32. Returns
/// [N,out_channels,H,W] float32. Weights of adm_weight_type(), the four-dimensional ones channels_last; the
/// activations have the dtype of "input_blocks.0.0.weight". Normalisations, their scale, shift and SiLU, and
/// the softmax are computed in float32. Attention never makes a matrix of its logits. No gradients. `deep`,
/// if any, holds what the levels below the finest hand up to it, [N,widths[1],H,W] in the activations' dtype:
/// defined, it is taken in place of evaluating them; undefined, it is given what they give here (and stays
/// undefined where there is one level alone).
at::Tensor adm_forward(const AdmConfig& config, const TensorMap& weights, const at::Tensor& x,
                       const at::Tensor& t, at::Tensor* deep = nullptr);

/// Brings the convolutions' weights, one after the other, into the layout that the CPU's kernels want for
/// pictures of config.image_size (packed_convolution()); adm_forward() takes them as they were, too.
void pack_adm(const AdmConfig& config, TensorMap& weights);

/// Multiply-adds of one evaluation on a picture of this size: convolutions, linear layers, attention.
double adm_multiply_adds(const AdmConfig& config, std::int64_t height, std::int64_t width);

/// The usual 3×3 convolution of each level, finest first.
std::vector<ConvolutionShape> adm_convolutions(const AdmConfig& config, std::int64_t height,
                                               std::int64_t width);

/// A random float32 weight that keeps activations near unit size, so that timings and roundings are those of
/// a trained network; "out.2" too, which training would start at zero.
at::Tensor random_adm_weight(const std::string& name, const Shape& shape, at::Generator generator);

}  // namespace digfusion
