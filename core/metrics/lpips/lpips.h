// SPDX-License-Identifier: LGPL-2.1-or-later
//
// LPIPS (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018,
// arXiv 1801.03924), version 0.1 with AlexNet, as the Python package lpips computes it: smaller is more
// alike. The weights are others' and are not part of the project; whoever wants the figure brings two files:
//     backbone  torchvision's AlexNet (alexnet-owt-*.pth): features.{0,3,6,8,10}.{weight,bias}
//     linear    weights/v0.1/alex.pth of the package: lin{0..4}.model.1.weight
// either as PyTorch wrote them or as safetensors with the same names. A library of its own, since it needs
// torch and the rest of core/metrics doesn't.
#pragma once

#include <array>
#include <filesystem>
#include <opencv2/core.hpp>

#include "core/denoiser/stored_tensor.h"

namespace digfusion::metrics {

/// Immutable after construction, so that threads may share it.
class Lpips {
 public:
  /// Height and width of the smallest picture that AlexNet's pools leave anything of.
  static constexpr int minimum_side = 31;

  /// Takes the tensors named above; others (the classifier) are left alone. Throws Error(model) that names
  /// the tensor, what was expected and what was found.
  Lpips(const TensorMap& backbone, const TensorMap& linear);

  /// The distance of two pictures: luma on 0..255, CV_64F, one size, at least minimum_side high and wide;
  /// else std::invalid_argument. Luma is given to AlexNet's three channels alike, on -1..1 before its own
  /// scaling.
  double distance(const cv::Mat& a, const cv::Mat& b) const;

 private:
  struct Layer {
    at::Tensor weight, bias, linear;
  };
  static constexpr std::size_t layer_count = 5;
  /// The five layers' activations behind ReLU, each [1,C,h,w], scaled to unit length over the channels.
  std::array<at::Tensor, layer_count> features(const cv::Mat& luma) const;

  std::array<Layer, layer_count> layers_;
};

/// Reads both files. Throws Error(model) naming the file.
Lpips read_lpips(const std::filesystem::path& backbone, const std::filesystem::path& linear);

/// The two files in a folder: the backbone's name starts with "alexnet", the linear layers' with "alex" and
/// not so; each ends in .pth, .pt or .safetensors. Throws Error(model) when either is missing or there are
/// two.
Lpips read_lpips(const std::filesystem::path& folder);

}  // namespace digfusion::metrics
