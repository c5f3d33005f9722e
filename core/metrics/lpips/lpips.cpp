// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/metrics/lpips/lpips.h"

#include <ATen/core/grad_mode.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "core/denoiser/checkpoint.h"
#include "core/interface/error.h"

namespace fs = std::filesystem;

namespace digfusion::metrics {
namespace {

/// A convolution of AlexNet (Krizhevsky, arXiv 1404.5997) as torchvision numbers and pads it.
struct Convolution {
  const char* name;
  std::int64_t channels_in, channels_out, kernel, stride, padding;
  bool pooled_before;  ///< 3×3 maximum, stride 2
};
constexpr Convolution convolutions[] = {
    {"features.0", 3, 64, 11, 4, 2, false},    {"features.3", 64, 192, 5, 1, 2, true},
    {"features.6", 192, 384, 3, 1, 1, true},   {"features.8", 384, 256, 3, 1, 1, false},
    {"features.10", 256, 256, 3, 1, 1, false},
};

std::string shape_text(at::IntArrayRef shape) {
  std::string text = "[";
  for (const std::int64_t side : shape) text += (text.size() > 1 ? "," : "") + std::to_string(side);
  return text + "]";
}

at::Tensor take(const TensorMap& tensors, const std::string& name, at::IntArrayRef shape) {
  const auto found = tensors.find(name);
  if (found == tensors.end())
    throw Error(ErrorCode::model,
                "LPIPS needs the tensor " + name +
                    ", which isn't there; give torchvision's AlexNet "
                    "as the backbone and the lpips package's v0.1/alex.pth as the linear layers");
  if (found->second.sizes() != shape)
    throw Error(ErrorCode::model, "LPIPS: tensor " + name + " is " + shape_text(found->second.sizes()) +
                                      ", expected " + shape_text(shape));
  return found->second.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true).contiguous();
}

/// [1,3,1,1]: torchvision's normalisation, for pictures on -1..1.
at::Tensor channels(float first, float second, float third) {
  return at::tensor({first, second, third}).view({1, 3, 1, 1});
}

void check(const cv::Mat& a, const cv::Mat& b) {
  if (a.type() != CV_64FC1 || b.type() != CV_64FC1)
    throw std::invalid_argument("LPIPS: pictures must be float64 luma");
  if (a.size() != b.size()) throw std::invalid_argument("LPIPS: the pictures' sizes differ");
  if (a.rows < Lpips::minimum_side || a.cols < Lpips::minimum_side)
    throw std::invalid_argument("LPIPS: pictures of " + std::to_string(a.cols) + "x" +
                                std::to_string(a.rows) + " are too small; AlexNet needs " +
                                std::to_string(Lpips::minimum_side) + " pixels");
}

/// Left in the file's mapping: of AlexNet's 61 M weights only the convolutions are wanted.
TensorMap tensors_of(const fs::path& file) {
  TensorMap tensors;
  for (const auto& [name, stored] : read_checkpoint(file.string()).tensors)
    tensors.emplace(name, stored.load());
  return tensors;
}

bool is_weights_name(const fs::path& path) {
  const fs::path ending = path.extension();
  return ending == ".pth" || ending == ".pt" || ending == ".safetensors";
}

}  // namespace

Lpips::Lpips(const TensorMap& backbone, const TensorMap& linear) {
  const at::NoGradGuard no_gradients;
  for (std::size_t i = 0; i < layer_count; ++i) {
    const Convolution& c = convolutions[i];
    const std::string name = c.name;
    layers_[i].weight = take(backbone, name + ".weight", {c.channels_out, c.channels_in, c.kernel, c.kernel});
    layers_[i].bias = take(backbone, name + ".bias", {c.channels_out});
    layers_[i].linear =
        take(linear, "lin" + std::to_string(i) + ".model.1.weight", {1, c.channels_out, 1, 1});
  }
}

std::array<at::Tensor, Lpips::layer_count> Lpips::features(const cv::Mat& luma) const {
  const cv::Mat whole = luma.isContinuous() ? luma : luma.clone();
  const at::Tensor gray =
      at::from_blob(whole.data, {1, 1, whole.rows, whole.cols}, at::kDouble).to(at::kFloat);
  at::Tensor x = ((gray / 127.5f - 1) - channels(-.030f, -.088f, -.188f)) / channels(.458f, .448f, .450f);
  std::array<at::Tensor, layer_count> result;
  for (std::size_t i = 0; i < layer_count; ++i) {
    const Convolution& c = convolutions[i];
    if (c.pooled_before) x = at::max_pool2d(x, 3, 2);
    x = at::conv2d(x, layers_[i].weight, layers_[i].bias, c.stride, c.padding).relu_();
    result[i] = x / (x.square().sum(1, true).sqrt() + 1e-10);
  }
  return result;
}

double Lpips::distance(const cv::Mat& a, const cv::Mat& b) const {
  check(a, b);
  const at::NoGradGuard no_gradients;
  const auto of_a = features(a), of_b = features(b);
  double sum = 0;
  for (std::size_t i = 0; i < layer_count; ++i)
    sum += at::conv2d((of_a[i] - of_b[i]).square_(), layers_[i].linear).mean().item<double>();
  return sum;
}

Lpips read_lpips(const fs::path& backbone, const fs::path& linear) {
  return {tensors_of(backbone), tensors_of(linear)};
}

Lpips read_lpips(const fs::path& folder) {
  fs::path backbone, linear;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!is_weights_name(name) || !name.starts_with("alex")) continue;
    fs::path& place = name.starts_with("alexnet") ? backbone : linear;
    if (!place.empty())
      throw Error(ErrorCode::model, "folder " + folder.string() + " holds both " + place.filename().string() +
                                        " and " + name +
                                        "; name the files with --lpips-backbone and --lpips-weights");
    place = entry->path();
  }
  if (error) throw Error(ErrorCode::model, "can't list folder " + folder.string() + ": " + error.message());
  if (backbone.empty() || linear.empty())
    throw Error(ErrorCode::model,
                "folder " + folder.string() + " lacks " +
                    (backbone.empty() ? "AlexNet (alexnet*.pth, from torchvision)"
                                      : "LPIPS' linear layers (alex.pth, from the lpips package)"));
  return read_lpips(backbone, linear);
}

}  // namespace digfusion::metrics
