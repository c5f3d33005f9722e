// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The small convolutional U-Net behind the embedded denoiser and its student: pure functions of weights.
// Convolutions, ReLU and additions only (as DRUNet, arXiv 2008.13751: no normalisation layers), so that a
// pixel's result depends on its neighbourhood and not on the size of the picture.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/denoiser/weights.h"

namespace digfusion {

/// Sizes of a network; written into and read from the model file's metadata.
struct UNetConfig {
  int unshuffle = 2;                 ///< pictures enter as unshuffle² channels at 1/unshuffle of their size
  std::vector<std::int64_t> widths;  ///< channels of each scale, finest first
  int blocks = 2;                    ///< residual blocks a scale, on the way down and again on the way up
  int middle_blocks = 2;             ///< residual blocks at the coarsest scale
  std::int64_t outputs = 4;          ///< channels out, at 1/unshuffle of the picture's size
  int embedding = 0;                 ///< width of the noise level's embedding; 0: the network isn't told
  /// Where not empty: residual blocks of each scale but the coarsest on the way down, and up, instead of
  /// `blocks`.
  std::vector<int> down_blocks{}, up_blocks{};
  int told = 0;  ///< numbers of the noise level that shift the features where a scale is entered; 0: none
  std::int64_t side = 0;  ///< channels of a second output, of the scale below the finest; 0: none

  bool operator==(const UNetConfig&) const = default;
  /// Height and width of a picture must be multiples of this.
  std::int64_t multiple() const { return std::int64_t{unshuffle} << (widths.size() - 1); }
};

/// Name and shape of every weight, in the order of the forward pass.
WeightShapes unet_shapes(const UNetConfig& config);

/// He-initialised float32 weights; the last convolution of each residual block and of the network starts at
/// zero.
TensorMap initialise_unet(const UNetConfig& config, at::Generator generator);

/// picture [N,1,H,W] → [N,outputs,H/unshuffle,W/unshuffle], both in the weights' dtype; level [N], or
/// [N,told], is any smooth, O(1) function of the noise level (ignored where embedding and told are 0).
/// Differentiable. `deep`, if any, holds what the scales below the finest hand up to it, [N,widths[0],
/// H/unshuffle,W/unshuffle] in the weights' dtype: defined, it is taken in place of evaluating them;
/// undefined, it is given what they give here (and stays undefined where there is one scale alone).
at::Tensor unet_forward(const UNetConfig& config, const TensorMap& weights, const at::Tensor& picture,
                        const at::Tensor& level, at::Tensor* deep = nullptr);

struct UNetOutputs {
  at::Tensor fine;  ///< as unet_forward() returns it, of the chosen pictures; undefined where none is chosen
  at::Tensor side;  ///< [N,side,H/(2 unshuffle),W/(2 unshuffle)]
};

/// Both outputs of a network with a side output. Only the pictures `fine` (indices, rising) are brought to
/// the finest scale on the way up, which is a third of the work.
UNetOutputs unet_forward_both(const UNetConfig& config, const TensorMap& weights, const at::Tensor& picture,
                              const at::Tensor& level, const std::vector<std::int64_t>& fine);

/// The same of a picture that is unshuffled already: `features` [N,unshuffle²,H/unshuffle,W/unshuffle],
/// channels_last.
UNetOutputs unet_forward_unshuffled(const UNetConfig& config, const TensorMap& weights,
                                    const at::Tensor& features, const at::Tensor& level,
                                    const std::vector<std::int64_t>& fine);

/// Multiply-adds of one evaluation on a picture of this size, convolutions only; `fine` as in
/// unet_forward_both().
double unet_multiply_adds(const UNetConfig& config, std::int64_t height, std::int64_t width,
                          bool fine = true);

/// How far, in pixels, what is at one place reaches in the outputs: no more than this.
std::int64_t unet_reach(const UNetConfig& config);

/// A 3×3 convolution from `channels` to as many channels, on height × width positions.
struct ConvolutionShape {
  std::int64_t channels, height, width;
};
/// That of each scale, finest first.
std::vector<ConvolutionShape> unet_convolutions(const UNetConfig& config, std::int64_t height,
                                                std::int64_t width);

/// As JSON text for the metadata, and back; from_text throws Error(model) naming what is missing or absurd.
std::string unet_config_to_text(const UNetConfig& config);
UNetConfig unet_config_from_text(const std::string& text, const std::string& path);

}  // namespace digfusion
