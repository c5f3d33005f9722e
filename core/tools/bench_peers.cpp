// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/bench_peers.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <cmath>
#include <functional>
#include <utility>

#include "core/device/device.h"
#include "core/tools/median_time.h"

namespace digfusion::tools {
namespace {

/// Makes layers as they are first asked for, and counts them.
class Layers {
 public:
  explicit Layers(at::TensorOptions options) : options_(options) {}

  /// A convolution with bias, padded by reflection, then `activation`.
  at::Tensor conv(const at::Tensor& x, std::int64_t out, std::int64_t size,
                  const std::function<at::Tensor(const at::Tensor&)>& activation, std::int64_t groups = 1) {
    if (next_ == weights_.size()) {
      const std::int64_t in = x.size(1) / groups;
      weights_.push_back(at::randn({out, in, size, size}, options_)
                             .mul_(1 / std::sqrt(double(in * size * size)))
                             .contiguous(at::MemoryFormat::ChannelsLast));
      biases_.push_back(at::zeros({out}, options_));
      parameters_ += double(weights_.back().numel() + out);
      gflop_ += 2e-9 * double(x.size(0) * x.size(2) * x.size(3)) * double(weights_.back().numel());
    }
    const std::int64_t pad = size / 2;
    const at::Tensor padded = pad > 0 ? at::reflection_pad2d(x, {pad, pad, pad, pad}) : x;
    const std::size_t layer = next_++;
    return activation(at::conv2d(padded, weights_[layer], biases_[layer], at::IntArrayRef{1},
                                 at::IntArrayRef{0}, at::IntArrayRef{1}, groups));
  }
  void begin() { next_ = 0; }
  double parameters() const { return parameters_; }
  double gflop() const { return gflop_; }

 private:
  at::TensorOptions options_;
  std::vector<at::Tensor> weights_, biases_;
  std::size_t next_ = 0;
  double parameters_ = 0, gflop_ = 0;
};

at::Tensor relu(const at::Tensor& x) { return at::relu(x); }
at::Tensor leaky(const at::Tensor& x) { return at::leaky_relu(x, 0.2); }
at::Tensor tanh(const at::Tensor& x) { return at::tanh(x); }
at::Tensor as_it_is(const at::Tensor& x) { return x; }

/// Li and Wu, "DenseFuse" (arXiv 1804.08361), table I: an encoder of one layer and a dense block of three,
/// both sources through it; the features added; a decoder of four layers.
at::Tensor dense_fuse(Layers& net, const at::Tensor& pair) {
  at::Tensor features = net.conv(pair, 16, 3, relu);
  for (int i = 0; i < 3; ++i) features = at::cat({features, net.conv(features, 16, 3, relu)}, 1);
  at::Tensor x = features.narrow(0, 0, 1) + features.narrow(0, 1, 1);
  for (const std::int64_t width : {64, 32, 16}) x = net.conv(x, width, 3, relu);
  return net.conv(x, 1, 3, as_it_is);
}

/// Zhang et al., "IFCNN" (Information Fusion 54, 2020), figure 2: ResNet's first layer (7×7, 64) and one 3×3
/// for each source, gray in three channels; the larger feature; one 3×3 and one 1×1. Batch normalisation is
/// folded into the convolutions.
at::Tensor ifcnn(Layers& net, const at::Tensor& pair) {
  at::Tensor x = net.conv(pair.expand({-1, 3, -1, -1}), 64, 7, as_it_is);
  x = net.conv(x, 64, 3, relu);
  x = at::maximum(x.narrow(0, 0, 1), x.narrow(0, 1, 1));
  x = net.conv(x, 64, 3, relu);
  return net.conv(x, 3, 1, as_it_is);
}

/// Tang et al., "SeAFusion" (Information Fusion 82, 2022), figures 2 and 3: an encoder for each source with
/// two gradient residual dense blocks, 16 to 32 to 48 channels; a decoder of four layers on both.
at::Tensor sea_fusion(Layers& net, const at::Tensor& pair) {
  const auto block = [&](const at::Tensor& x, std::int64_t out) {
    const std::int64_t in = x.size(1);
    at::Tensor dense = at::cat({x, net.conv(x, in, 3, leaky)}, 1);
    dense = at::cat({dense, net.conv(dense, in, 3, leaky)}, 1);
    const at::Tensor gradient = net.conv(
                                    x, in, 3, [](const at::Tensor& v) { return v.abs(); }, in) +
                                net.conv(
                                    x, in, 3, [](const at::Tensor& v) { return v.abs(); }, in);
    return at::leaky_relu(net.conv(dense, out, 1, as_it_is) + net.conv(gradient, out, 1, as_it_is), 0.1);
  };
  std::vector<at::Tensor> both;
  for (const std::int64_t k : {0, 1})
    both.push_back(block(block(net.conv(pair.narrow(0, k, 1), 16, 3, leaky), 32), 48));
  at::Tensor x = at::cat(both, 1);
  for (const std::int64_t width : {64, 32, 16}) x = net.conv(x, width, 3, leaky);
  return net.conv(x, 1, 3, tanh);
}

}  // namespace

std::vector<PeerTime> measure_peers(const Parameters& parameters, int width, int height, double seconds) {
  const c10::InferenceMode inference;
  use_threads(parameters.threads);
  const DeviceChoice choice =
      choose_device(parameters.device.view(), parameters.precision, [](const std::string&) {});
  const auto options = at::TensorOptions().device(choice.device).dtype(choice.network);
  const at::Tensor pair = at::rand({2, 1, height, width}, options).contiguous(at::MemoryFormat::ChannelsLast);
  std::vector<PeerTime> times = {{"DenseFuse", "arXiv 1804.08361"},
                                 {"IFCNN", "Information Fusion 54 (2020)"},
                                 {"SeAFusion", "Information Fusion 82 (2022)"}};
  constexpr at::Tensor (*networks[])(Layers&, const at::Tensor&) = {dense_fuse, ifcnn, sea_fusion};
  for (std::size_t i = 0; i < times.size(); ++i) {
    Layers layers(options);
    times[i].milliseconds = median_ms(seconds / double(times.size()), [&] {
      layers.begin();
      return networks[i](layers, pair).to(at::kFloat);
    });
    times[i].parameters = layers.parameters();
    times[i].gflop = layers.gflop();
  }
  return times;
}

}  // namespace digfusion::tools
