// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/adm_unet.h"

#include <cmath>
#include <utility>

#include "core/denoiser/adm_convolution.h"
#include "core/denoiser/adm_memory.h"
#include "core/denoiser/group_norm.h"
#include "core/denoiser/weights.h"

namespace digfusion {
namespace {

enum class Resample { none, down, up };

/// Walks the network in forward order, naming its parts as the published state dicts do; `Visitor` lists the
/// weights, counts, or computes.
template <class Visitor>
void walk(const AdmConfig& c, Visitor& visit) {
  const std::int64_t embedding = 4 * c.model_channels;
  const std::size_t levels = c.widths.size();
  std::vector<std::int64_t> skips;
  std::int64_t channels = c.widths[0];
  int index = 0;
  const auto block = [&](const char* group) {
    return std::string(group) + "." + std::to_string(index) + ".";
  };
  const auto heads = [&](std::int64_t width, bool up) {
    return c.head_channels > 0 ? width / c.head_channels : std::int64_t{up ? c.heads_upsample : c.heads};
  };
  const auto push = [&] {
    visit.push();
    skips.push_back(channels);
    ++index;
  };

  const auto down = [&](std::size_t level) {
    for (int i = 0; i < c.res_blocks; ++i) {
      const std::string name = block("input_blocks");
      visit.residual(name + "0", channels, c.widths[level], embedding, Resample::none);
      channels = c.widths[level];
      if (c.attention[level]) visit.attend(name + "1", channels, heads(channels, false));
      push();
    }
  };
  const auto halve = [&] {
    if (c.resblock_updown)
      visit.residual(block("input_blocks") + "0", channels, channels, embedding, Resample::down);
    else
      visit.downsample(block("input_blocks") + "0.op", channels);
    push();
  };
  const auto middle = [&] {
    visit.residual("middle_block.0", channels, channels, embedding, Resample::none);
    visit.attend("middle_block.1", channels, heads(channels, false));
    visit.residual("middle_block.2", channels, channels, embedding, Resample::none);
  };
  const auto up = [&](std::size_t level) {
    index = static_cast<int>(levels - 1 - level) * (c.res_blocks + 1);
    for (int i = 0; i <= c.res_blocks; ++i, ++index) {
      const std::string name = block("output_blocks");
      visit.pop();
      visit.residual(name + "0", channels + skips.back(), c.widths[level], embedding, Resample::none);
      skips.pop_back();
      channels = c.widths[level];
      int part = 1;
      if (c.attention[level]) visit.attend(name + std::to_string(part++), channels, heads(channels, true));
      if (level == 0 || i < c.res_blocks) continue;
      if (c.resblock_updown)
        visit.residual(name + std::to_string(part), channels, channels, embedding, Resample::up);
      else
        visit.upsample(name + std::to_string(part) + ".conv", channels);
    }
  };

  visit.embed(c.model_channels, embedding);
  visit.convolution(block("input_blocks") + "0", c.in_channels, channels);
  push();
  down(0);
  if (levels == 1) {
    middle();
  } else if (visit.dives()) {
    for (std::size_t level = 1; level < levels; ++level) {
      halve();
      down(level);
    }
    middle();
    for (std::size_t level = levels - 1; level > 0; --level) up(level);
    visit.surfaces();
  } else {
    channels = c.widths[1];
  }
  up(0);
  visit.out(channels, c.out_channels);
}

/// What most visitors answer: all of the network.
struct Whole {
  static bool dives() { return true; }  ///< into the levels below the finest
  void surfaces() {}                    ///< at the finest again
};

struct Lister : Whole {
  bool scale_shift;
  WeightShapes shapes{};
  explicit Lister(bool film) : scale_shift(film) {}

  void layer(const std::string& name, Shape weight) {
    const std::int64_t out = weight[0];
    shapes.emplace_back(name + ".weight", std::move(weight));
    shapes.emplace_back(name + ".bias", Shape{out});
  }
  void norm(const std::string& name, std::int64_t channels) { layer(name, {channels}); }
  void push() {}
  void pop() {}
  void embed(std::int64_t in, std::int64_t out) {
    layer("time_embed.0", {out, in});
    layer("time_embed.2", {out, out});
  }
  void convolution(const std::string& name, std::int64_t in, std::int64_t out) {
    layer(name, {out, in, 3, 3});
  }
  void downsample(const std::string& name, std::int64_t channels) { convolution(name, channels, channels); }
  void upsample(const std::string& name, std::int64_t channels) { convolution(name, channels, channels); }
  void residual(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t embedding,
                Resample) {
    norm(name + ".in_layers.0", in);
    convolution(name + ".in_layers.2", in, out);
    layer(name + ".emb_layers.1", {scale_shift ? 2 * out : out, embedding});
    norm(name + ".out_layers.0", out);
    convolution(name + ".out_layers.3", out, out);
    if (in != out) layer(name + ".skip_connection", {out, in, 1, 1});
  }
  void attend(const std::string& name, std::int64_t channels, std::int64_t) {
    norm(name + ".norm", channels);
    layer(name + ".qkv", {3 * channels, channels, 1});
    layer(name + ".proj_out", {channels, channels, 1});
  }
  void out(std::int64_t in, std::int64_t out) {
    norm("out.0", in);
    convolution("out.2", in, out);
  }
};

struct Counter : Whole {
  double pixels;  // at the current level
  double total = 0;
  explicit Counter(double finest) : pixels(finest) {}

  void push() {}
  void pop() {}
  void dense(std::int64_t in, std::int64_t out, double size = 1) {
    total += pixels * size * double(in) * double(out);
  }
  void embed(std::int64_t, std::int64_t) {}
  void convolution(const std::string&, std::int64_t in, std::int64_t out) { dense(in, out, 9); }
  void resample(Resample how) {
    if (how == Resample::down) pixels /= 4;
    if (how == Resample::up) pixels *= 4;
  }
  void downsample(const std::string&, std::int64_t channels) {
    resample(Resample::down);
    dense(channels, channels, 9);
  }
  void upsample(const std::string&, std::int64_t channels) {
    resample(Resample::up);
    dense(channels, channels, 9);
  }
  void residual(const std::string&, std::int64_t in, std::int64_t out, std::int64_t, Resample how) {
    resample(how);
    dense(in, out, 9);
    dense(out, out, 9);
    if (in != out) dense(in, out);
  }
  void attend(const std::string&, std::int64_t channels, std::int64_t) {
    dense(channels, 4 * channels);
    total += 2 * pixels * pixels * double(channels);
  }
  void out(std::int64_t in, std::int64_t out) { dense(in, out, 9); }
};

/// Packs the convolutions for pictures of one size.
struct Packer : Whole {
  TensorMap& weights;
  std::int64_t height, width;
  Packer(TensorMap& all, std::int64_t size) : weights(all), height(size), width(size) {}

  void pack(const std::string& name, int stride = 1) {
    at::Tensor& weight = weights.at(name + ".weight");
    weight = packed_convolution(weight, stride, height, width);
    if (weight.is_mkldnn() && weight.numel() > 1 << 20) give_back_memory();
  }
  void push() {}
  void pop() {}
  void embed(std::int64_t, std::int64_t) {}
  void convolution(const std::string& name, std::int64_t, std::int64_t) { pack(name); }
  void resample(Resample how) {
    if (how == Resample::down) height /= 2, width /= 2;
    if (how == Resample::up) height *= 2, width *= 2;
  }
  void downsample(const std::string& name, std::int64_t) {
    pack(name, 2);
    resample(Resample::down);
  }
  void upsample(const std::string& name, std::int64_t) {
    resample(Resample::up);
    pack(name);
  }
  void residual(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t, Resample how) {
    resample(how);
    pack(name + ".in_layers.2");
    pack(name + ".out_layers.3");
    if (in != out) pack(name + ".skip_connection");
  }
  void attend(const std::string&, std::int64_t, std::int64_t) {}
  void out(std::int64_t, std::int64_t) { pack("out.2"); }
};

struct Forward {
  const AdmConfig& config;
  const TensorMap& weights;
  at::Tensor h;  // channels_last
  const at::Tensor& t;
  at::Tensor embedding{};  // SiLU of the timestep's, float32
  std::vector<at::Tensor> skips{};
  bool joined = false;  // whether h was just made by pop(), and nobody else holds it
  at::Tensor spare{};   // nobody needs its numbers any more: memory that needn't be cleared for who is next
  at::Tensor* deep = nullptr;  // as in adm_forward(); its numbers are never written over

  const at::Tensor& at(const std::string& name) const { return weights.find(name)->second; }
  at::Tensor conv(const std::string& name, const at::Tensor& x, int stride = 1) const {
    return digfusion::convolution(x, at(name + ".weight"), at(name + ".bias"), stride);
  }
  at::Tensor linear(const std::string& name, const at::Tensor& x) const {
    return at::linear(x, at(name + ".weight"), at(name + ".bias"));
  }
  /// A tensor of x's kind, of any numbers.
  at::Tensor fresh(const at::Tensor& x, at::IntArrayRef sizes) {
    const at::Tensor kept = std::exchange(spare, {});
    if (kept.defined() && kept.sizes() == sizes) return kept;
    return at::empty(sizes, x.options().memory_format(at::MemoryFormat::ChannelsLast));
  }
  at::Tensor normed(const std::string& name, const at::Tensor& x, Activation activation) {
    at::Tensor result = fresh(x, x.sizes());
    group_norm(x, at(name + ".weight"), at(name + ".bias"), {}, activation, result);
    return result;
  }

  void embed(std::int64_t width, std::int64_t) {
    const std::int64_t half = width / 2;
    const at::Tensor frequency =
        at::exp(at::arange(half, t.options()) * (-std::log(10000.0) / static_cast<double>(half)));
    const at::Tensor angle = t.unsqueeze(1) * frequency;
    at::Tensor waves = at::cat({angle.cos(), angle.sin()}, 1);
    if (width % 2) waves = at::constant_pad_nd(waves, {0, 1});
    embedding = at::silu(linear("time_embed.2", at::silu(linear("time_embed.0", waves))));
  }
  bool dives() {
    if (!deep || !deep->defined()) return true;
    h = *deep;
    return false;
  }
  void surfaces() {
    if (deep) *deep = h;
  }
  void push() { skips.push_back(h); }
  void pop() {
    at::Tensor whole = fresh(h, {h.size(0), h.size(1) + skips.back().size(1), h.size(2), h.size(3)});
    h = at::cat_out(whole, {h, skips.back()}, 1);
    skips.pop_back();
    joined = true;
  }
  void convolution(const std::string& name, std::int64_t, std::int64_t) { h = conv(name, h); }
  void downsample(const std::string& name, std::int64_t) { h = conv(name, h, 2); }
  void upsample(const std::string& name, std::int64_t) {
    give_back_memory();
    h = conv(name, resampled(h, Resample::up));
  }
  at::Tensor resampled(const at::Tensor& x, Resample how) {
    if (how == Resample::none) return x;
    if (how == Resample::down) return at::avg_pool2d(x, {2, 2});
    const std::int64_t height = 2 * x.size(2), width = 2 * x.size(3);
    at::Tensor result = fresh(x, {x.size(0), x.size(1), height, width});
    return at::upsample_nearest2d_out(result, x, {height, width});
  }
  /// Whether pop() will want it as it is.
  bool is_waiting(const at::Tensor& x) const { return !skips.empty() && skips.back().is_same(x); }
  void residual(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t, Resample how) {
    if (how == Resample::up) give_back_memory();
    // No tensor lives longer than it must: at the finest level one has an eighth of the memory allowed.
    at::Tensor kept = std::move(h), inner;
    if (in != out && joined) {
      at::Tensor whole = std::move(kept);
      kept = conv(name + ".skip_connection", whole);
      group_norm(whole, at(name + ".in_layers.0.weight"), at(name + ".in_layers.0.bias"), {},
                 Activation::silu, whole);
      inner = std::move(whole);
    } else {
      inner = normed(name + ".in_layers.0", kept, Activation::silu);
      if (in != out) kept = conv(name + ".skip_connection", kept);
    }
    inner = resampled(inner, how);
    at::Tensor convolved = conv(name + ".in_layers.2", inner);
    spare = std::exchange(inner, std::move(convolved));
    at::Tensor film = at::linear(embedding, at(name + ".emb_layers.1.weight").to(at::kFloat),
                                 at(name + ".emb_layers.1.bias").to(at::kFloat));
    if (!config.scale_shift_norm) {
      inner.add_(film.view({film.size(0), out, 1, 1}));
      film.reset();
    }
    group_norm(inner, at(name + ".out_layers.0.weight"), at(name + ".out_layers.0.bias"), film,
               Activation::silu, inner);
    h = resampled(kept, how);
    if (how == Resample::none && is_waiting(h)) h = fresh(kept, kept.sizes()).copy_(kept);
    add_convolution(inner, at(name + ".out_layers.3.weight"), at(name + ".out_layers.3.bias"), h);
    joined = false;
  }
  void attend(const std::string& name, std::int64_t channels, std::int64_t heads) {
    const std::int64_t n = h.size(0), height = h.size(2), width = h.size(3), tokens = height * width;
    const auto in_rows = [&](const at::Tensor& x) {
      return x.permute({0, 2, 3, 1}).reshape({n, tokens, channels});
    };
    const auto dense = [&](const char* layer, const at::Tensor& x) {
      return at::linear(x, at(name + layer + ".weight").squeeze(2), at(name + layer + ".bias"));
    };
    const at::Tensor qkv = dense(".qkv", in_rows(normed(name + ".norm", h, Activation::none)));
    const std::int64_t width_of_head = channels / heads;
    const bool apart = config.new_attention_order;
    const at::Tensor split = apart ? qkv.view({n, tokens, 3, heads, width_of_head})
                                   : qkv.view({n, tokens, heads, 3, width_of_head});
    const auto part = [&](int which) { return split.select(apart ? 2 : 3, which).transpose(1, 2); };
    const at::Tensor mixed = at::scaled_dot_product_attention(part(0), part(1), part(2));
    const at::Tensor rows = mixed.transpose(1, 2).reshape({n, tokens, channels});
    h = dense(".proj_out", rows).add_(in_rows(h)).view({n, height, width, channels}).permute({0, 3, 1, 2});
  }
  void out(std::int64_t, std::int64_t) {
    h = h.to(at::kFloat);
    group_norm(h, at("out.0.weight"), at("out.0.bias"), {}, Activation::silu, h);
    h = conv("out.2", h);
  }
};

}  // namespace

WeightShapes adm_shapes(const AdmConfig& config) {
  Lister lister(config.scale_shift_norm);
  walk(config, lister);
  return std::move(lister.shapes);
}

at::ScalarType adm_weight_type(const std::string& name, at::ScalarType precision) {
  const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
  const bool always_float = name.starts_with("time_embed.") || name.starts_with("out.") ||
                            has(".in_layers.0.") || has(".out_layers.0.") || has(".norm.");
  return always_float ? at::kFloat : precision;
}

at::Tensor adm_forward(const AdmConfig& config, const TensorMap& weights, const at::Tensor& x,
                       const at::Tensor& t, at::Tensor* deep) {
  const LargePages large_pages;
  const at::ScalarType dtype = weights.at("input_blocks.0.0.weight").scalar_type();
  Forward forward{config, weights, x.to(dtype).contiguous(at::MemoryFormat::ChannelsLast), t};
  forward.deep = deep;
  walk(config, forward);
  return forward.h;
}

void pack_adm(const AdmConfig& config, TensorMap& weights) {
  Packer packer(weights, config.image_size);
  walk(config, packer);
}

double adm_multiply_adds(const AdmConfig& config, std::int64_t height, std::int64_t width) {
  Counter counter(double(height) * double(width));
  walk(config, counter);
  return counter.total;
}

std::vector<ConvolutionShape> adm_convolutions(const AdmConfig& config, std::int64_t height,
                                               std::int64_t width) {
  std::vector<ConvolutionShape> result;
  for (const std::int64_t channels : config.widths) {
    result.push_back({channels, height, width});
    height /= 2, width /= 2;
  }
  return result;
}

at::Tensor random_adm_weight(const std::string& name, const Shape& shape, at::Generator generator) {
  at::Tensor w = at::empty(shape);
  if (shape.size() > 1) return w.normal_(0.0, 1 / std::sqrt(double(w.numel() / shape[0])), generator);
  const bool scales = name.ends_with(".weight");  // a normalisation's
  return w.normal_(scales ? 1.0 : 0.0, 0.1, generator);
}

}  // namespace digfusion
