// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/unet.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <set>
#include <string>
#include <vector>

#include "core/denoiser/denoiser.h"
#include "core/denoiser/gradient_student.h"
#include "core/denoiser/student.h"
#include "core/denoiser/unet_layers.h"
#include "core/diffusion/steps.h"
#include "core/interface/error.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

UNetConfig small_config(int embedding = 6) {
  return {.unshuffle = 2,
          .widths = {3, 5},
          .blocks = 1,
          .middle_blocks = 2,
          .outputs = 4,
          .embedding = embedding};
}

/// Every weight random, also those that start at zero.
TensorMap random_weights(const UNetConfig& config, std::uint64_t seed) {
  TensorMap weights;
  for (const auto& [name, shape] : unet_shapes(config)) {
    std::int64_t numel = 1;
    for (const std::int64_t n : shape) numel *= n;
    weights[name] = random_tensor(shape, seed++) *
                    (name.ends_with("bias") ? 0.3 : 1.2 * std::sqrt(double(shape[0]) / double(numel)));
  }
  return weights;
}

// --- the network once more, as loops over float64

struct Volume {
  int c, h, w;
  std::vector<double> v;
  Volume(int channels, int height, int width)
      : c(channels),
        h(height),
        w(width),
        v(std::size_t(channels) * std::size_t(height) * std::size_t(width)) {}
  double& at(int k, int y, int x) {
    return v[(std::size_t(k) * std::size_t(h) + std::size_t(y)) * std::size_t(w) + std::size_t(x)];
  }
  double at(int k, int y, int x) const { return const_cast<Volume*>(this)->at(k, y, x); }
};

class Twin {
 public:
  Twin(const UNetConfig& config, const TensorMap& weights) : config_(config), weights_(weights) {}
  double multiply_adds = 0;
  std::vector<double> side;  // the second output of the last run, where the network has one

  Volume run(const Volume& picture, double level, const std::vector<double>& told = {}) {
    const int u = config_.unshuffle;
    Volume h(u * u, picture.h / u, picture.w / u);
    for (int k = 0; k < h.c; ++k)
      for (int y = 0; y < h.h; ++y)
        for (int x = 0; x < h.w; ++x) h.at(k, y, x) = picture.at(0, y * u + k / u, x * u + k % u);
    embed(level);
    h = conv("head", h, 3, 1);
    tell(h, 0, told);
    std::vector<Volume> skips;
    const auto scales = int(config_.widths.size());
    const auto blocks = [&](const char* part, int scale, int count) {
      for (int b = 0; b < count; ++b)
        h = block(std::string(part) + std::to_string(scale) + "." + std::to_string(b), h);
    };
    for (int s = 0; s + 1 < scales; ++s) {
      blocks("down", s, config_.down_blocks.empty() ? config_.blocks : config_.down_blocks[std::size_t(s)]);
      skips.push_back(h);
      h = conv("down" + std::to_string(s) + ".resample", h, 2, 2);
      tell(h, s + 1, told);
    }
    blocks("middle", scales - 1, config_.middle_blocks);
    for (int s = scales - 2; s >= 0; --s) {
      if (s == 0 && config_.side > 0) side = conv("side", h, 3, 1).v;
      h = enlarge("up" + std::to_string(s) + ".resample", h);
      for (std::size_t i = 0; i < h.v.size(); ++i) h.v[i] += skips.back().v[i];
      skips.pop_back();
      blocks("up", s, config_.up_blocks.empty() ? config_.blocks : config_.up_blocks[std::size_t(s)]);
    }
    return conv("tail", h, 3, 1);
  }

 private:
  std::vector<double> weight(const std::string& name) const { return numbers(weights_.at(name)); }

  void embed(double level) {
    if (config_.embedding == 0) return;
    std::vector<double> features;
    for (const auto function : {+[](double a) { return std::sin(a); }, +[](double a) { return std::cos(a); }})
      for (int i = 0; i < 32; ++i)
        features.push_back(function(level * std::numbers::pi * std::exp2(-3 + 6 * i / 31.0)));
    embedding_ = linear("embedding", features);
    for (double& e : embedding_) e = std::max(e, 0.0);
  }
  void tell(Volume& h, int scale, const std::vector<double>& told) const {
    if (config_.told == 0) return;
    const std::vector<double> w = weight("told" + std::to_string(scale) + ".weight");
    const std::size_t pixels = std::size_t(h.h) * std::size_t(h.w);
    for (std::size_t i = 0; i < h.v.size(); ++i)
      for (std::size_t k = 0; k < told.size(); ++k) h.v[i] += w[i / pixels * told.size() + k] * told[k];
  }
  std::vector<double> linear(const std::string& name, const std::vector<double>& in) const {
    const std::vector<double> w = weight(name + ".weight");
    std::vector<double> out = weight(name + ".bias");
    for (std::size_t o = 0; o < out.size(); ++o)
      for (std::size_t i = 0; i < in.size(); ++i) out[o] += w[o * in.size() + i] * in[i];
    return out;
  }
  /// A kernel of 3 has a border of zeros; one of 2 steps by 2.
  Volume conv(const std::string& name, const Volume& in, int kernel, int stride) {
    const std::vector<double> w = weight(name + ".weight"), bias = weight(name + ".bias");
    const int pad = kernel == 3 ? 1 : 0;
    Volume out(int(bias.size()), in.h / stride, in.w / stride);
    for (int o = 0; o < out.c; ++o)
      for (int y = 0; y < out.h; ++y)
        for (int x = 0; x < out.w; ++x) {
          double sum = bias[std::size_t(o)];
          for (int i = 0; i < in.c; ++i)
            for (int j = 0; j < kernel; ++j)
              for (int k = 0; k < kernel; ++k) {
                ++multiply_adds;
                const int yy = y * stride + j - pad, xx = x * stride + k - pad;
                if (yy < 0 || yy >= in.h || xx < 0 || xx >= in.w) continue;
                sum += w[std::size_t(((o * in.c + i) * kernel + j) * kernel + k)] * in.at(i, yy, xx);
              }
          out.at(o, y, x) = sum;
        }
    return out;
  }
  Volume enlarge(const std::string& name, const Volume& in) {
    const std::vector<double> w = weight(name + ".weight"), bias = weight(name + ".bias");
    Volume out(int(bias.size()), 2 * in.h, 2 * in.w);
    for (int o = 0; o < out.c; ++o)
      for (int y = 0; y < out.h; ++y)
        for (int x = 0; x < out.w; ++x) {
          double sum = bias[std::size_t(o)];
          for (int i = 0; i < in.c; ++i, ++multiply_adds)
            sum += w[std::size_t(((i * out.c + o) * 2 + y % 2) * 2 + x % 2)] * in.at(i, y / 2, x / 2);
          out.at(o, y, x) = sum;
        }
    return out;
  }
  Volume block(const std::string& name, const Volume& in) {
    Volume inner = conv(name + ".conv1", in, 3, 1);
    const std::vector<double> film =
        embedding_.empty() ? std::vector<double>() : linear(name + ".film", embedding_);
    for (int k = 0; k < inner.c; ++k)
      for (int y = 0; y < inner.h; ++y)
        for (int x = 0; x < inner.w; ++x) {
          double& v = inner.at(k, y, x);
          if (!film.empty()) v = v * (1 + film[std::size_t(k)]) + film[std::size_t(inner.c + k)];
          v = std::max(v, 0.0);
        }
    Volume out = conv(name + ".conv2", inner, 3, 1);
    for (std::size_t i = 0; i < out.v.size(); ++i) out.v[i] += in.v[i];
    return out;
  }

  UNetConfig config_;
  const TensorMap& weights_;
  std::vector<double> embedding_;
};

TEST(UNet, EqualsItsTwin) {
  const UNetConfig configs[] = {
      small_config(),
      small_config(0),
      {.unshuffle = 4, .widths = {3}, .blocks = 2, .middle_blocks = 1, .outputs = 17, .embedding = 0},
      {.unshuffle = 1, .widths = {2, 3, 4}, .blocks = 1, .middle_blocks = 0, .outputs = 1, .embedding = 3},
  };
  for (const UNetConfig& config : configs) {
    SCOPED_TRACE(unet_config_to_text(config));
    const TensorMap weights = random_weights(config, 40);
    const at::Tensor pictures = random_tensor({2, 1, 16, 24}, 3), levels = at::tensor({-0.7f, 0.4f});
    const at::Tensor out = unet_forward(config, weights, pictures, levels);
    ASSERT_EQ(out.sizes(),
              at::IntArrayRef({2, config.outputs, 16 / config.unshuffle, 24 / config.unshuffle}));
    for (int n = 0; n < 2; ++n) {
      Volume picture(1, 16, 24);
      picture.v = numbers(pictures[n]);
      Twin twin(config, weights);
      const Volume expected = twin.run(picture, levels[n].item<double>());
      const std::vector<double> result = numbers(out[n]);
      double largest = 0;
      for (std::size_t i = 0; i < result.size(); ++i) {
        ASSERT_NEAR(result[i], expected.v[i], 1e-4) << i;
        largest = std::max(largest, std::abs(result[i]));
      }
      EXPECT_GT(largest, 0.3);  // the comparison means something
      EXPECT_EQ(unet_multiply_adds(config, 16, 24), twin.multiply_adds);
    }
  }
}

UNetConfig two_output_config() {
  return {.unshuffle = 2,
          .widths = {3, 4, 5},
          .blocks = 1,
          .middle_blocks = 1,
          .outputs = 4,
          .embedding = 0,
          .down_blocks = {0, 2},
          .up_blocks = {1, 0},
          .told = 2,
          .side = 3};
}

TEST(UNet, BothOutputsEqualTheirTwin) {
  const UNetConfig config = two_output_config();
  const TensorMap weights = random_weights(config, 40);
  const at::Tensor pictures = random_tensor({3, 1, 16, 24}, 3), told = random_tensor({3, 2}, 4);
  const UNetOutputs all = unet_forward_both(config, weights, pictures, told, {0, 1, 2});
  EXPECT_TRUE(at::equal(all.fine, unet_forward(config, weights, pictures, told)));
  ASSERT_EQ(all.side.sizes(), at::IntArrayRef({3, 3, 4, 6}));
  for (int n = 0; n < 3; ++n) {
    Volume picture(1, 16, 24);
    picture.v = numbers(pictures[n]);
    Twin twin(config, weights);
    const std::vector<double> expected = twin.run(picture, 0, numbers(told[n])).v,
                              fine = numbers(all.fine[n]), side = numbers(all.side[n]);
    for (std::size_t i = 0; i < fine.size(); ++i) ASSERT_NEAR(fine[i], expected[i], 1e-4) << i;
    for (std::size_t i = 0; i < side.size(); ++i) ASSERT_NEAR(side[i], twin.side[i], 1e-4) << i;
    EXPECT_GT(all.side[n].abs().max().item<double>(), 0.3);
    EXPECT_EQ(unet_multiply_adds(config, 16, 24), twin.multiply_adds);
  }
}

TEST(UNet, BringsOnlyTheChosenPicturesToTheFinestScale) {
  const UNetConfig config = two_output_config();
  const TensorMap weights = random_weights(config, 40);
  const at::Tensor pictures = random_tensor({3, 1, 16, 24}, 3), told = random_tensor({3, 2}, 4);
  const UNetOutputs all = unet_forward_both(config, weights, pictures, told, {0, 1, 2});
  for (const std::vector<std::int64_t>& chosen : {std::vector<std::int64_t>{}, {1}, {0, 2}}) {
    const UNetOutputs some = unet_forward_both(config, weights, pictures, told, chosen);
    EXPECT_TRUE(at::equal(some.side, all.side));
    EXPECT_EQ(some.fine.defined(), !chosen.empty());
    for (std::size_t i = 0; i < chosen.size(); ++i)
      EXPECT_TRUE(at::allclose(some.fine[std::int64_t(i)], all.fine[chosen[i]], 1e-5, 1e-6)) << chosen[i];
  }
  EXPECT_LT(unet_multiply_adds(config, 16, 24, false), unet_multiply_adds(config, 16, 24));
}

TEST(UNet, TellsWhatEachConvolutionCosts) {
  for (const UNetConfig& config : {small_config(), two_output_config()})
    for (const bool fine : {false, true}) {
      if (!fine && config.side == 0) continue;
      const std::vector<LayerCost> layers = unet_layers(config, 16, 24, fine);
      double total = 0;
      for (const LayerCost& layer : layers) {
        total += layer.multiply_adds;
        EXPECT_GT(layer.numbers, 0);
      }
      EXPECT_DOUBLE_EQ(total, unet_multiply_adds(config, 16, 24, fine));
      // The head: 4×4 times fewer positions, nine taps.
      const double pixels = 16. * 24 / (config.unshuffle * config.unshuffle),
                   channels = double(config.unshuffle) * config.unshuffle, width = double(config.widths[0]);
      EXPECT_DOUBLE_EQ(layers[0].multiply_adds, pixels * 9 * channels * width);
      EXPECT_DOUBLE_EQ(layers[0].numbers, pixels * (channels + width));
      EXPECT_DOUBLE_EQ(layers[0].weights, 9 * channels * width);
    }
}

TEST(UNet, InitialisesEveryWeightOnceAndReproducibly) {
  const UNetConfig config = small_config();
  const auto shapes = unet_shapes(config);
  const auto make = [&](std::uint64_t seed) {
    return initialise_unet(config, at::detail::createCPUGenerator(seed));
  };
  const TensorMap weights = make(1), again = make(1), other = make(2);
  ASSERT_EQ(weights.size(), shapes.size());  // no name twice
  for (const auto& [name, shape] : shapes) {
    EXPECT_EQ(weights.at(name).sizes(), at::IntArrayRef(shape)) << name;
    EXPECT_TRUE(at::equal(weights.at(name), again.at(name))) << name;
  }
  EXPECT_FALSE(at::equal(weights.at("head.weight"), other.at("head.weight")));
  EXPECT_NO_THROW(check_weights(unet_shapes(config), kinds_of(weights), "a file"));
  const at::Tensor out = unet_forward(config, weights, random_tensor({1, 1, 16, 16}, 1), at::zeros({1}));
  EXPECT_EQ(out.abs().max().item<double>(), 0);  // the last convolution starts at zero
}

TEST(UNet, StartsWithActivationsOfOneScale) {
  UNetConfig config = luma_denoiser_config();
  TensorMap weights = initialise_unet(config, at::detail::createCPUGenerator(1));
  weights["tail.weight"] = random_tensor(weights["tail.weight"].sizes(), 2) / std::sqrt(9.0 * 32);
  const double deviation =
      unet_forward(config, weights, random_tensor({2, 1, 64, 64}, 1), at::zeros({2})).std().item<double>();
  EXPECT_GT(deviation, 0.3);
  EXPECT_LT(deviation, 10);
}

TEST(UNet, TheEmbeddedNetworksHaveAboutAMillionWeights) {
  const auto count = [](const UNetConfig& config) {
    double total = 0;
    for (const auto& [name, shape] : unet_shapes(config)) {
      double numel = 1;
      for (const std::int64_t n : shape) numel *= double(n);
      total += numel;
    }
    return total;
  };
  EXPECT_NEAR(count(luma_denoiser_config()), 1.1e6, 0.3e6);
  EXPECT_NEAR(count(student_config(4)), 1.1e6, 0.3e6);
}

TEST(UNet, IsToldTheNoiseLevelOnlyWithAnEmbedding) {
  const at::Tensor picture = random_tensor({1, 1, 16, 16}, 3);
  for (const int embedding : {0, 6}) {
    const UNetConfig config = small_config(embedding);
    const TensorMap weights = random_weights(config, 7);
    const at::Tensor a = unet_forward(config, weights, picture, at::tensor({-1.f}));
    const at::Tensor b = unet_forward(config, weights, picture, at::tensor({0.5f}));
    EXPECT_EQ(at::equal(a, b), embedding == 0);
  }
}

TEST(UNet, APixelDoesntDependOnThePicturesSize) {
  const UNetConfig config = small_config();
  const TensorMap weights = random_weights(config, 7);
  const at::Tensor large = random_tensor({1, 1, 96, 128}, 3), level = at::tensor({0.2f});
  // The receptive field of this network reaches less than 32 pixels.
  const at::Tensor small = large.narrow(2, 16, 72).narrow(3, 24, 80).contiguous();
  const auto centre = [](const at::Tensor& out, std::int64_t y, std::int64_t x) {
    return out.narrow(2, y, 4).narrow(3, x, 8);
  };
  const at::Tensor a = centre(unet_forward(config, weights, large, level), 24, 28);
  const at::Tensor b = centre(unet_forward(config, weights, small, level), 24 - 8, 28 - 12);
  EXPECT_TRUE(at::allclose(a, b, 1e-4, 1e-5)) << (a - b).abs().max();
}

TEST(UNet, ChecksItsWeightsByName) {
  const UNetConfig config = small_config();
  const auto message = [&](const TensorMap& weights) -> std::string {
    try {
      check_weights(unet_shapes(config), kinds_of(weights), "weights.safetensors");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::model);
      return error.what();
    }
    return "";
  };
  const TensorMap good = random_weights(config, 7);
  EXPECT_EQ(message(good), "");
  TensorMap weights = good;
  weights.erase("up0.0.conv2.bias");
  EXPECT_TRUE(message(weights).starts_with(
      "model file weights.safetensors: tensor \"up0.0.conv2.bias\" is missing; expected with shape ["))
      << message(weights);
  weights = good;
  weights["head.weight"] = at::zeros({3, 4, 3, 2});
  EXPECT_EQ(
      message(weights),
      "model file weights.safetensors: tensor \"head.weight\" has shape [3, 4, 3, 2], expected [3, 4, 3, 3]");
  weights = good;
  weights["head.weight"] = good.at("head.weight").to(at::kInt);
  EXPECT_NE(message(weights).find("\"head.weight\" doesn't hold floating-point"), std::string::npos)
      << message(weights);
  weights = good;
  weights["label_emb.weight"] = at::zeros({3});
  EXPECT_NE(message(weights).find("\"label_emb.weight\" belongs to another network"), std::string::npos);
}

TEST(UNet, ConfigSurvivesItsText) {
  for (const UNetConfig& config :
       {small_config(), luma_denoiser_config(), student_config(4), gradient_student_config(3)})
    EXPECT_EQ(unet_config_from_text(unet_config_to_text(config), "file"), config);
}

TEST(UNet, RefusesAbsurdConfigs) {
  const std::string deep(1'000'000, '[');
  const std::string good = R"("blocks":2,"embedding":8,"middle_blocks":1,"outputs":4,"unshuffle":2)";
  EXPECT_NO_THROW(unet_config_from_text("{" + good + R"(,"widths":[8,16]})", "file"));
  const std::string bad[] = {
      "",
      "{",
      "[]",
      "null",
      "7",
      deep,
      "{" + good + "}",
      "{" + good + R"(,"widths":[]})",
      "{" + good + R"(,"widths":[0]})",
      "{" + good + R"(,"widths":[8,-1]})",
      "{" + good + R"(,"widths":[1e9]})",
      "{" + good + R"(,"widths":[1000000000000]})",
      "{" + good + R"(,"widths":[18446744073709551615]})",
      "{" + good + R"(,"widths":["8"]})",
      "{" + good + R"(,"widths":8})",
      "{" + good + R"(,"widths":[1,1,1,1,1,1,1]})",
      "{" + good + ",\"widths\":" + deep + std::string(deep.size(), ']') + "}",
      "{" + good + ",\"widths\":[8],\"blocks\":" + deep + std::string(deep.size(), ']') + "}",
      "{" + good + R"(,"widths":[8],"blocks":-1})",
      "{" + good + R"(,"widths":[8],"blocks":100000000})",
      "{" + good + R"(,"widths":[8],"unshuffle":0})",
      "{" + good + R"(,"widths":[8],"unshuffle":2.5})",
      "{" + good + R"(,"widths":[8],"outputs":0})",
      "{" + good + R"(,"widths":[8],"embedding":null})",
      "{" + good + R"(,"widths":[8,16],"told":-1})",
      "{" + good + R"(,"widths":[8,16],"told":"4"})",
      "{" + good + R"(,"widths":[8,16],"side":1e9})",
      "{" + good + R"(,"widths":[8],"side":3})",
      "{" + good + R"(,"widths":[8,16],"up_blocks":[1,1]})",
      "{" + good + R"(,"widths":[8,16],"up_blocks":1})",
      "{" + good + R"(,"widths":[8,16],"down_blocks":[-1]})",
  };
  for (const std::string& text : bad) {
    try {
      unet_config_from_text(text, "some.safetensors");
      ADD_FAILURE() << text.substr(0, 200) << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::model);
      EXPECT_NE(std::string(error.what()).find("some.safetensors"), std::string::npos);
    }
  }
}

// --- what stands around the network

TEST(LumaDenoiser, StartsAsTheLinearEstimateOfUnitVarianceTargets) {
  // With F = 0: D = y σ_d²/(σ²+σ_d²), the best linear denoiser of pictures of standard deviation σ_d = .5.
  const UNetConfig config = luma_denoiser_config();
  const TensorMap weights = initialise_unet(config, at::detail::createCPUGenerator(1));
  const at::Tensor noisy = random_tensor({2, 1, 16, 16}, 1), sigma = at::tensor({0.1f, 3.f});
  const at::Tensor clean = luma_denoise(config, weights, noisy, sigma);
  for (int n = 0; n < 2; ++n) {
    const double s = sigma[n].item<double>();
    EXPECT_TRUE(at::allclose(clean[n], noisy[n] * (0.25 / (s * s + 0.25)), 1e-5, 1e-6));
  }
}

TEST(LumaDenoiser, PredictsTheNoiseOfItsOwnEstimate) {
  const UNetConfig config = small_config();
  const TensorMap weights = random_weights(config, 9);
  const LumaDenoiser denoiser(config, weights);
  const std::vector<int> t = {15, 200, 700};
  const at::Tensor xt = random_tensor({3, 1, 16, 16}, 2);
  const at::Tensor predicted = denoiser.predict_noise(xt, t);
  ASSERT_EQ(predicted.sizes(), xt.sizes());
  ASSERT_EQ(predicted.scalar_type(), at::kFloat);
  for (int n = 0; n < 3; ++n) {
    const double bar = denoiser.schedule().alpha_bar[std::size_t(t[std::size_t(n)])];
    const at::Tensor x = xt.narrow(0, n, 1);
    const at::Tensor clean = luma_denoise(config, weights, x / std::sqrt(bar),
                                          at::tensor({float(denoiser.schedule().sigma(t[std::size_t(n)]))}));
    EXPECT_TRUE(
        at::allclose(one_step_estimate(x, predicted.narrow(0, n, 1), bar), clean.clamp(-1, 1), 1e-3, 1e-4))
        << n;
    // Alone or in a batch.
    EXPECT_TRUE(at::allclose(denoiser.predict_noise(x, std::span(t).subspan(std::size_t(n), 1)),
                             predicted.narrow(0, n, 1), 1e-4, 1e-5));
  }
}

TEST(Student, StartsAsThePictureAndTheTypicalError) {
  const std::vector<int> timesteps = {500, 200, 60, 15};
  const UNetConfig config = student_config(4);
  const Student student(config, initialise_unet(config, at::detail::createCPUGenerator(1)), timesteps);
  const at::Tensor pictures = random_pictures(2, 32, 48, 1);
  ASSERT_EQ(student.multiple(), 16);
  const StudentEstimates estimates = student.estimate(pictures);
  ASSERT_EQ(estimates.mean.sizes(), at::IntArrayRef({2, 4, 32, 48}));
  ASSERT_EQ(estimates.error.sizes(), at::IntArrayRef({2, 4, 8, 12}));
  EXPECT_TRUE(at::equal(estimates.mean, pictures.expand({2, 4, 32, 48})));
  for (int m = 0; m < 4; ++m)
    EXPECT_NEAR(estimates.error.select(1, m).mean().item<double>(),
                std::pow(typical_error(timesteps[std::size_t(m)]), 2), 1e-6);
}

TEST(Student, TypicalErrorGrowsWithTheNoiseUntilNothingIsLeftToSee) {
  for (int t = 1; t <= 700; ++t) ASSERT_GT(typical_error(t), typical_error(t - 1)) << t;
  for (int t = 700; t < 1000; ++t) ASSERT_NEAR(typical_error(t), typical_error(700), 0.01) << t;
  EXPECT_NEAR(typical_error(500), 0.26, 0.01);
  EXPECT_NEAR(typical_error(15), 0.014, 0.002);
}

}  // namespace
}  // namespace digfusion
