// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/core/denoiser/adm_twin.h"

#include <cmath>
#include <string>
#include <vector>

#include "tests/core/tensors.h"

namespace digfusion::twins {
namespace {

using Numbers = std::vector<double>;

struct Picture {
  int channels, height, width;
  Numbers value;
  Picture(int c, int h, int w) : channels(c), height(h), width(w), value(std::size_t(c) * h * w) {}
  double& at(int c, int y, int x) { return value[(std::size_t(c) * height + y) * width + x]; }
  double at(int c, int y, int x) const { return value[(std::size_t(c) * height + y) * width + x]; }
};

double silu(double x) { return x / (1 + std::exp(-x)); }

struct Layer {
  Numbers weight, bias;
  int out, in, side;
};

class Network {
 public:
  Network(const AdmConfig& config, const TensorMap& weights) : config_(config), weights_(weights) {}

  Picture run(const Picture& x, double t) const {
    const Numbers embedding = embed(t);
    std::vector<Picture> kept;
    Picture h = x;
    for (int i = 0; has_part("input_blocks." + std::to_string(i)); ++i) {
      h = part("input_blocks." + std::to_string(i), h, embedding, i > 0 && i % (config_.res_blocks + 1) == 0,
               false);
      kept.push_back(h);
    }
    h = part("middle_block", h, embedding, false, false);
    for (int i = 0; has_part("output_blocks." + std::to_string(i)); ++i) {
      Picture joined(h.channels + kept.back().channels, h.height, h.width);
      std::copy(h.value.begin(), h.value.end(), joined.value.begin());
      std::copy(kept.back().value.begin(), kept.back().value.end(),
                joined.value.begin() + std::ptrdiff_t(h.value.size()));
      kept.pop_back();
      h = part("output_blocks." + std::to_string(i), joined, embedding, false, true);
    }
    Picture last = norm("out.0", h);
    for (double& v : last.value) v = silu(v);
    return convolve("out.2", last, 1);
  }

 private:
  bool has(const std::string& name) const { return weights_.contains(name + ".weight"); }
  bool has_part(const std::string& name) const {
    return has(name + ".0") || has(name + ".0.in_layers.0") || has(name + ".0.op");
  }
  Layer layer(const std::string& name) const {
    const at::Tensor w = weights_.at(name + ".weight");
    return {numbers(w), numbers(weights_.at(name + ".bias")), int(w.size(0)),
            w.dim() > 1 ? int(w.size(1)) : 1, w.dim() == 4 ? int(w.size(3)) : 1};
  }
  Numbers dense(const std::string& name, const Numbers& x) const {
    const Layer l = layer(name);
    Numbers y = l.bias;
    for (int o = 0; o < l.out; ++o)
      for (int i = 0; i < l.in; ++i) y[o] += l.weight[std::size_t(o) * l.in + i] * x[i];
    return y;
  }
  Numbers embed(double t) const {
    const int width = int(config_.model_channels), half = width / 2;
    Numbers waves(width);
    for (int i = 0; i < half; ++i) {
      const double angle = t * std::pow(10000.0, -double(i) / half);
      waves[i] = std::cos(angle);
      waves[half + i] = std::sin(angle);
    }
    Numbers hidden = dense("time_embed.0", waves);
    for (double& v : hidden) v = silu(v);
    return dense("time_embed.2", hidden);
  }

  /// All the modules of a TimestepEmbedSequential, one after the other. `shrinks`: this one is a level's last
  /// on the way down; `up`: it is on the way up.
  Picture part(const std::string& name, Picture h, const Numbers& embedding, bool shrinks, bool up) const {
    for (int i = 0; i < 3; ++i) {
      const std::string module = name + "." + std::to_string(i);
      if (has(module + ".in_layers.0")) {
        // On the way up a second residual block in a part is the one that grows the picture.
        const int scale = shrinks ? -1 : up && i > 0 ? 1 : 0;
        h = residual(module, h, embedding, scale);
      } else if (has(module + ".qkv")) {
        h = attend(module, h, up);
      } else if (has(module + ".op")) {
        h = convolve(module + ".op", h, 2);
      } else if (has(module + ".conv")) {
        h = convolve(module + ".conv", grown(h), 1);
      } else if (has(module)) {
        h = convolve(module, h, 1);
      }
    }
    return h;
  }

  Picture convolve(const std::string& name, const Picture& x, int stride) const {
    const Layer l = layer(name);
    const int pad = l.side / 2;
    Picture y(l.out, x.height / stride, x.width / stride);
    for (int o = 0; o < l.out; ++o)
      for (int r = 0; r < y.height; ++r)
        for (int c = 0; c < y.width; ++c) {
          double sum = l.bias[o];
          for (int i = 0; i < l.in; ++i)
            for (int dy = 0; dy < l.side; ++dy)
              for (int dx = 0; dx < l.side; ++dx) {
                const int sy = r * stride + dy - pad, sx = c * stride + dx - pad;
                if (sy >= 0 && sy < x.height && sx >= 0 && sx < x.width)
                  sum +=
                      l.weight[((std::size_t(o) * l.in + i) * l.side + dy) * l.side + dx] * x.at(i, sy, sx);
              }
          y.at(o, r, c) = sum;
        }
    return y;
  }
  Picture norm(const std::string& name, const Picture& x) const {
    const Layer l = layer(name);
    Picture y = x;
    const int group = x.channels / 32, pixels = x.height * x.width;
    for (int g = 0; g < 32; ++g) {
      double mean = 0, square = 0;
      const std::size_t begin = std::size_t(g) * group * pixels, count = std::size_t(group) * pixels;
      for (std::size_t i = begin; i < begin + count; ++i) mean += x.value[i] / double(count);
      for (std::size_t i = begin; i < begin + count; ++i)
        square += (x.value[i] - mean) * (x.value[i] - mean) / double(count);
      for (std::size_t i = begin; i < begin + count; ++i) {
        const std::size_t channel = i / std::size_t(pixels);
        y.value[i] = (x.value[i] - mean) / std::sqrt(square + 1e-5) * l.weight[channel] + l.bias[channel];
      }
    }
    return y;
  }
  static Picture grown(const Picture& x) {
    Picture y(x.channels, x.height * 2, x.width * 2);
    for (int c = 0; c < y.channels; ++c)
      for (int r = 0; r < y.height; ++r)
        for (int k = 0; k < y.width; ++k) y.at(c, r, k) = x.at(c, r / 2, k / 2);
    return y;
  }
  static Picture shrunk(const Picture& x) {
    Picture y(x.channels, x.height / 2, x.width / 2);
    for (int c = 0; c < y.channels; ++c)
      for (int r = 0; r < y.height; ++r)
        for (int k = 0; k < y.width; ++k)
          y.at(c, r, k) = (x.at(c, 2 * r, 2 * k) + x.at(c, 2 * r + 1, 2 * k) + x.at(c, 2 * r, 2 * k + 1) +
                           x.at(c, 2 * r + 1, 2 * k + 1)) /
                          4;
    return y;
  }
  static Picture scaled(const Picture& x, int scale) {
    return scale > 0 ? grown(x) : scale < 0 ? shrunk(x) : x;
  }

  Picture residual(const std::string& name, const Picture& x, const Numbers& embedding, int scale) const {
    Picture h = norm(name + ".in_layers.0", x);
    for (double& v : h.value) v = silu(v);
    h = convolve(name + ".in_layers.2", scaled(h, scale), 1);
    Numbers active = embedding;
    for (double& v : active) v = silu(v);
    const Numbers film = dense(name + ".emb_layers.1", active);
    const int pixels = h.height * h.width;
    if (!config_.scale_shift_norm)
      for (std::size_t i = 0; i < h.value.size(); ++i) h.value[i] += film[i / std::size_t(pixels)];
    h = norm(name + ".out_layers.0", h);
    if (config_.scale_shift_norm)
      for (std::size_t i = 0; i < h.value.size(); ++i) {
        const std::size_t c = i / std::size_t(pixels);
        h.value[i] = h.value[i] * (1 + film[c]) + film[std::size_t(h.channels) + c];
      }
    for (double& v : h.value) v = silu(v);
    h = convolve(name + ".out_layers.3", h, 1);
    const Picture same = scaled(x, scale);
    const Picture skip = has(name + ".skip_connection") ? convolve(name + ".skip_connection", same, 1) : same;
    for (std::size_t i = 0; i < h.value.size(); ++i) h.value[i] += skip.value[i];
    return h;
  }

  Picture attend(const std::string& name, const Picture& x, bool up) const {
    const Picture qkv = convolve(name + ".qkv", norm(name + ".norm", x), 1);
    const int c = x.channels, tokens = x.height * x.width;
    const int heads = config_.head_channels > 0 ? c / config_.head_channels
                      : up                      ? config_.heads_upsample
                                                : config_.heads;
    const int width = c / heads;
    Picture mixed(c, x.height, x.width);
    for (int head = 0; head < heads; ++head) {
      const auto channel = [&](int which, int i) {
        return config_.new_attention_order ? which * c + head * width + i : (head * 3 + which) * width + i;
      };
      const auto value = [&](int which, int i, int token) {
        return qkv.value[std::size_t(channel(which, i)) * tokens + token];
      };
      for (int to = 0; to < tokens; ++to) {
        Numbers weight(tokens);
        double largest = -1e300, sum = 0;
        for (int from = 0; from < tokens; ++from) {
          for (int i = 0; i < width; ++i) weight[from] += value(0, i, to) * value(1, i, from);
          weight[from] /= std::sqrt(double(width));
          largest = std::max(largest, weight[from]);
        }
        for (double& w : weight) sum += w = std::exp(w - largest);
        for (int i = 0; i < width; ++i)
          for (int from = 0; from < tokens; ++from)
            mixed.value[std::size_t(head * width + i) * tokens + to] +=
                weight[from] / sum * value(2, i, from);
      }
    }
    Picture y = convolve(name + ".proj_out", mixed, 1);
    for (std::size_t i = 0; i < y.value.size(); ++i) y.value[i] += x.value[i];
    return y;
  }

  const AdmConfig& config_;
  const TensorMap& weights_;
};

}  // namespace

at::Tensor adm_forward(const AdmConfig& config, const TensorMap& weights, const at::Tensor& x, double t) {
  Picture picture(int(x.size(0)), int(x.size(1)), int(x.size(2)));
  picture.value = numbers(x);
  const Picture y = Network(config, weights).run(picture, t);
  return at::tensor(y.value, at::kDouble).view({y.channels, y.height, y.width});
}

}  // namespace digfusion::twins
