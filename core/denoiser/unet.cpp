// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/unet.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "core/denoiser/unet_layers.h"
#include "core/interface/error.h"

namespace digfusion {
namespace {

using Json = nlohmann::json;

constexpr int level_features = 32;  // sines and cosines of the noise level

/// Walks the network in forward order; `Visitor` either lists the weights or computes with them.
template <class Visitor>
void walk(const UNetConfig& c, Visitor& visit) {
  const auto scales = static_cast<int>(c.widths.size());
  const auto name = [](const char* part, int scale, int block) {
    return std::string(part) + std::to_string(scale) + "." + std::to_string(block);
  };
  const auto blocks = [&](const std::vector<int>& each, int scale) {
    return each.empty() ? c.blocks : each[std::size_t(scale)];
  };
  const auto tell = [&](int scale) {
    if (c.told > 0) visit.tell("told" + std::to_string(scale), c.widths[scale], c.told);
  };
  if (c.embedding > 0) visit.embed(c.embedding);
  visit.head(std::int64_t{c.unshuffle} * c.unshuffle, c.widths[0]);
  tell(0);
  const auto down_from = [&](int s) {
    visit.down("down" + std::to_string(s) + ".resample", c.widths[s], c.widths[s + 1]);
    tell(s + 1);
  };
  const auto up_to = [&](int s) {
    visit.up("up" + std::to_string(s) + ".resample", c.widths[s + 1], c.widths[s]);
  };
  const auto down_blocks = [&](int s) {
    for (int b = 0; b < blocks(c.down_blocks, s); ++b)
      visit.block(name("down", s, b), c.widths[s], c.embedding);
    visit.push();
  };
  const auto up_blocks = [&](int s) {
    visit.pop();
    for (int b = 0; b < blocks(c.up_blocks, s); ++b) visit.block(name("up", s, b), c.widths[s], c.embedding);
  };
  const auto middle = [&] {
    for (int b = 0; b < c.middle_blocks; ++b)
      visit.block(name("middle", scales - 1, b), c.widths.back(), c.embedding);
  };
  if (scales == 1) {
    middle();
  } else {
    down_blocks(0);
    if (visit.dives()) {
      down_from(0);
      for (int s = 1; s + 1 < scales; ++s) {
        down_blocks(s);
        down_from(s);
      }
      middle();
      for (int s = scales - 2; s > 0; --s) {
        up_to(s);
        up_blocks(s);
      }
      if (c.side > 0) visit.side(c.widths[1], c.side);
      if (!visit.goes_on()) return;
      up_to(0);
      visit.surfaces();
    }
    up_blocks(0);
  }
  visit.tail(c.widths[0], c.outputs);
}

/// What most visitors answer: all of the network, whose skips are none of their business.
struct Whole {
  void push() {}
  void pop() {}
  static bool dives() { return true; }    ///< into the scales below the finest
  static bool goes_on() { return true; }  ///< up to the finest again
  void surfaces() {}                      ///< there
};

struct Lister : Whole {
  WeightShapes shapes;
  void layer(const std::string& name, Shape weight, std::int64_t bias) {
    shapes.emplace_back(name + ".weight", std::move(weight));
    shapes.emplace_back(name + ".bias", Shape{bias});
  }
  void embed(std::int64_t width) { layer("embedding", {width, 2 * level_features}, width); }
  void head(std::int64_t in, std::int64_t out) { layer("head", {out, in, 3, 3}, out); }
  void tell(const std::string& name, std::int64_t width, std::int64_t told) {
    shapes.emplace_back(name + ".weight", Shape{width, told});
  }
  void side(std::int64_t in, std::int64_t out) { layer("side", {out, in, 3, 3}, out); }
  void tail(std::int64_t in, std::int64_t out) { layer("tail", {out, in, 3, 3}, out); }
  void down(const std::string& name, std::int64_t in, std::int64_t out) { layer(name, {out, in, 2, 2}, out); }
  void up(const std::string& name, std::int64_t in, std::int64_t out) { layer(name, {in, out, 2, 2}, out); }
  void block(const std::string& name, std::int64_t width, std::int64_t embedding) {
    layer(name + ".conv1", {width, width, 3, 3}, width);
    if (embedding > 0) layer(name + ".film", {2 * width, embedding}, 2 * width);
    layer(name + ".conv2", {width, width, 3, 3}, width);
  }
};

struct Forward {
  const TensorMap& weights;
  const at::Tensor& level;
  at::Tensor h{};
  at::Tensor embedding{};
  std::vector<at::Tensor> skips{};
  const std::vector<std::int64_t>* fine = nullptr;  // pictures that reach the finest scale again; none: all
  at::Tensor side_output{};
  at::Tensor* deep = nullptr;  // as in unet_forward()

  const at::Tensor& at(const std::string& name) const { return weights.find(name)->second; }
  at::Tensor conv(const std::string& name, const at::Tensor& x, int stride, int padding) const {
    return at::conv2d(x, at(name + ".weight"), at(name + ".bias"), stride, padding);
  }
  void embed(std::int64_t) {
    const at::Tensor frequency =
        at::exp2(at::linspace(-3.0, 3.0, level_features, level.options().dtype(at::kFloat))) *
        std::numbers::pi;
    const at::Tensor angle = level.to(at::kFloat).unsqueeze(1) * frequency;
    const at::Tensor features = at::cat({angle.sin(), angle.cos()}, 1).to(h.scalar_type());
    embedding = at::relu(at::linear(features, at("embedding.weight"), at("embedding.bias")));
  }
  void head(std::int64_t, std::int64_t) { h = conv("head", h, 1, 1); }
  void tell(const std::string& name, std::int64_t, std::int64_t) {
    h = h + at::matmul(level.to(h.scalar_type()), at(name + ".weight").t()).unsqueeze(-1).unsqueeze(-1);
  }
  void side(std::int64_t, std::int64_t) { side_output = conv("side", h, 1, 1); }
  bool goes_on() {
    if (!fine) return true;
    if (fine->empty()) return false;
    h = chosen(h);
    skips.back() = chosen(skips.back());
    return true;
  }
  at::Tensor chosen(const at::Tensor& x) const {
    if (std::int64_t(fine->size()) == x.size(0)) return x;
    std::vector<at::Tensor> rows;
    for (const std::int64_t i : *fine) rows.push_back(x.narrow(0, i, 1));
    return rows.size() == 1 ? rows[0] : at::cat(rows);
  }
  void tail(std::int64_t, std::int64_t) { h = conv("tail", h, 1, 1); }
  void push() { skips.push_back(h); }
  void pop() {
    h = h + skips.back();
    skips.pop_back();
  }
  bool dives() {
    if (!deep || !deep->defined()) return true;
    h = *deep;
    return false;
  }
  void surfaces() {
    if (deep) *deep = h;
  }
  void down(const std::string& name, std::int64_t, std::int64_t) { h = conv(name, h, 2, 0); }
  void up(const std::string& name, std::int64_t, std::int64_t) {
    h = at::conv_transpose2d(h, at(name + ".weight"), at(name + ".bias"), 2);
  }
  void block(const std::string& name, std::int64_t width, std::int64_t) {
    at::Tensor inner = conv(name + ".conv1", h, 1, 1);
    if (embedding.defined()) {
      const at::Tensor film = at::linear(embedding, at(name + ".film.weight"), at(name + ".film.bias"));
      const at::Tensor scale = film.narrow(1, 0, width).unsqueeze(-1).unsqueeze(-1) + 1;
      const at::Tensor shift = film.narrow(1, width, width).unsqueeze(-1).unsqueeze(-1);
      inner = at::addcmul(shift, inner, scale);
    }
    h = h + conv(name + ".conv2", inner.relu_(), 1, 1);
  }
};

struct Counter : Whole {
  double pixels;  // at the current scale
  bool fine;
  double total = 0;
  Counter(double finest, bool all) : pixels(finest), fine(all) {}
  void embed(std::int64_t) {}
  void tell(const std::string&, std::int64_t, std::int64_t) {}
  void side(std::int64_t in, std::int64_t out) { head(in, out); }
  bool goes_on() const { return fine; }
  void head(std::int64_t in, std::int64_t out) { total += pixels * 9.0 * double(in) * double(out); }
  void tail(std::int64_t in, std::int64_t out) { head(in, out); }
  void down(const std::string&, std::int64_t in, std::int64_t out) {
    pixels /= 4;
    total += pixels * 4.0 * double(in) * double(out);
  }
  void up(const std::string&, std::int64_t in, std::int64_t out) {
    total += pixels * 4.0 * double(in) * double(out);
    pixels *= 4;
  }
  void block(const std::string&, std::int64_t width, std::int64_t) {
    total += pixels * 18.0 * double(width) * double(width);
  }
};

struct LayerCosts : Whole {
  double pixels;  // at the current scale
  bool fine = true;
  std::vector<LayerCost> layers{};
  void layer(double in_pixels, double out_pixels, std::int64_t in, std::int64_t out, double taps) {
    const double weights = taps * double(in) * double(out);
    layers.push_back({std::min(in_pixels, out_pixels) * weights,
                      in_pixels * double(in) + out_pixels * double(out), weights});
  }
  void embed(std::int64_t) {}
  void tell(const std::string&, std::int64_t, std::int64_t) {}
  bool goes_on() const { return fine; }
  void head(std::int64_t in, std::int64_t out) { layer(pixels, pixels, in, out, 9); }
  void tail(std::int64_t in, std::int64_t out) { head(in, out); }
  void side(std::int64_t in, std::int64_t out) { head(in, out); }
  void down(const std::string&, std::int64_t in, std::int64_t out) {
    layer(pixels, pixels / 4, in, out, 4);
    pixels /= 4;
  }
  void up(const std::string&, std::int64_t in, std::int64_t out) {
    layer(pixels, pixels * 4, in, out, 4);
    pixels *= 4;
  }
  void block(const std::string&, std::int64_t width, std::int64_t) {
    head(width, width);
    head(width, width);
  }
};

struct Reach : Whole {
  std::int64_t pixel;  // side of a position of the current scale, in pixels
  std::int64_t total;
  explicit Reach(std::int64_t finest) : pixel(finest), total(finest) {}
  void embed(std::int64_t) {}
  void tell(const std::string&, std::int64_t, std::int64_t) {}
  void head(std::int64_t, std::int64_t) { total += pixel; }
  void tail(std::int64_t, std::int64_t) { total += pixel; }
  void side(std::int64_t, std::int64_t) { total += pixel; }
  void block(const std::string&, std::int64_t, std::int64_t) { total += 2 * pixel; }
  // What a resampling mixes lies in one position of the coarser scale.
  void down(const std::string&, std::int64_t, std::int64_t) { pixel *= 2, total += pixel; }
  void up(const std::string&, std::int64_t, std::int64_t) { pixel /= 2; }
};

bool ends_with(const std::string& text, const char* end) { return std::string_view(text).ends_with(end); }

}  // namespace

WeightShapes unet_shapes(const UNetConfig& config) {
  Lister lister;
  walk(config, lister);
  return std::move(lister.shapes);
}

TensorMap initialise_unet(const UNetConfig& config, at::Generator generator) {
  TensorMap weights;
  for (const auto& [name, shape] : unet_shapes(config)) {
    at::Tensor w = at::zeros(shape);
    const bool starts_at_zero = ends_with(name, ".bias") || ends_with(name, ".conv2.weight") ||
                                ends_with(name, ".film.weight") || name == "tail.weight" ||
                                name == "side.weight";
    if (!starts_at_zero) {
      const bool transposed = name.starts_with("up") && ends_with(name, ".resample.weight");
      const std::int64_t fan_in = transposed ? shape[0] : w.numel() / shape[0];
      w.normal_(0.0, std::sqrt((ends_with(name, ".resample.weight") ? 1.0 : 2.0) / double(fan_in)),
                generator);
    }
    weights.emplace(name, w);
  }
  return weights;
}

at::Tensor unet_forward(const UNetConfig& config, const TensorMap& weights, const at::Tensor& picture,
                        const at::Tensor& level, at::Tensor* deep) {
  Forward forward{weights, level};
  forward.deep = deep;
  forward.h = at::pixel_unshuffle(picture, config.unshuffle).contiguous(at::MemoryFormat::ChannelsLast);
  walk(config, forward);
  return forward.h;
}

UNetOutputs unet_forward_both(const UNetConfig& config, const TensorMap& weights, const at::Tensor& picture,
                              const at::Tensor& level, const std::vector<std::int64_t>& fine) {
  return unet_forward_unshuffled(
      config, weights,
      at::pixel_unshuffle(picture, config.unshuffle).contiguous(at::MemoryFormat::ChannelsLast), level, fine);
}

UNetOutputs unet_forward_unshuffled(const UNetConfig& config, const TensorMap& weights,
                                    const at::Tensor& features, const at::Tensor& level,
                                    const std::vector<std::int64_t>& fine) {
  Forward forward{weights, level};
  forward.fine = &fine;
  forward.h = features;
  walk(config, forward);
  return {fine.empty() ? at::Tensor() : forward.h, forward.side_output};
}

double unet_multiply_adds(const UNetConfig& config, std::int64_t height, std::int64_t width, bool fine) {
  Counter counter(double(height) * double(width) / double(config.unshuffle * config.unshuffle), fine);
  walk(config, counter);
  return counter.total;
}

std::vector<LayerCost> unet_layers(const UNetConfig& config, std::int64_t height, std::int64_t width,
                                   bool fine) {
  LayerCosts costs{{}, double(height) * double(width) / double(config.unshuffle * config.unshuffle), fine};
  walk(config, costs);
  return std::move(costs.layers);
}

std::int64_t unet_reach(const UNetConfig& config) {
  Reach reach(config.unshuffle);
  walk(config, reach);
  return reach.total;
}

std::vector<ConvolutionShape> unet_convolutions(const UNetConfig& config, std::int64_t height,
                                                std::int64_t width) {
  std::vector<ConvolutionShape> result;
  height /= config.unshuffle, width /= config.unshuffle;
  for (const std::int64_t channels : config.widths) {
    result.push_back({channels, height, width});
    height /= 2, width /= 2;
  }
  return result;
}

std::string unet_config_to_text(const UNetConfig& c) {
  Json json{{"unshuffle", c.unshuffle},         {"widths", c.widths},   {"blocks", c.blocks},
            {"middle_blocks", c.middle_blocks}, {"outputs", c.outputs}, {"embedding", c.embedding}};
  // What only some networks have stands only in their files.
  if (!c.down_blocks.empty()) json["down_blocks"] = c.down_blocks;
  if (!c.up_blocks.empty()) json["up_blocks"] = c.up_blocks;
  if (c.told > 0) json["told"] = c.told;
  if (c.side > 0) json["side"] = c.side;
  return json.dump();
}

UNetConfig unet_config_from_text(const std::string& text, const std::string& path) {
  const auto refuse = [&](const std::string& what) -> Error {
    return Error(ErrorCode::model,
                 "model file " + path + ": the network's description in its metadata " + what);
  };
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) throw refuse("is not JSON");
  const auto integer = [&](const Json& value, const char* what, std::int64_t least, std::int64_t most) {
    if (!value.is_number_integer() || value.get<std::int64_t>() < least || value.get<std::int64_t>() > most)
      throw refuse(std::string("has no usable \"") + what + "\"");
    return value.get<std::int64_t>();
  };
  // No copies: that of a deeply nested value would overflow the stack.
  const Json none;
  const auto value_of = [&](const char* what) -> const Json& {
    return json.contains(what) ? json[what] : none;
  };
  const auto field = [&](const char* what, std::int64_t least, std::int64_t most) {
    return integer(value_of(what), what, least, most);
  };
  UNetConfig c;
  c.unshuffle = int(field("unshuffle", 1, 16));
  c.blocks = int(field("blocks", 0, 64));
  c.middle_blocks = int(field("middle_blocks", 0, 64));
  c.outputs = field("outputs", 1, 4096);
  c.embedding = int(field("embedding", 0, 4096));
  const Json& widths = value_of("widths");
  if (!widths.is_array() || widths.empty() || widths.size() > 6) throw refuse("has no usable \"widths\"");
  for (const Json& width : widths) c.widths.push_back(integer(width, "widths", 1, 4096));
  const auto blocks = [&](const char* what) {
    std::vector<int> result;
    const Json& each = value_of(what);
    if (each.is_null()) return result;
    if (!each.is_array() || each.size() + 1 != c.widths.size())
      throw refuse(std::string("has no usable \"") + what + "\"");
    for (const Json& count : each) result.push_back(int(integer(count, what, 0, 64)));
    return result;
  };
  c.down_blocks = blocks("down_blocks");
  c.up_blocks = blocks("up_blocks");
  if (json.contains("told")) c.told = int(field("told", 0, 64));
  if (json.contains("side")) c.side = field("side", 0, 4096);
  if (c.side > 0 && c.widths.size() < 2) throw refuse("has a \"side\" but no second scale");
  return c;
}

}  // namespace digfusion
