// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/adm_unet.h"

#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/denoiser/group_norm.h"
#include "tests/core/denoiser/adm_files.h"
#include "tests/core/denoiser/adm_twin.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

double relative_error(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor wide = b.to(at::kDouble);
  return ((a.to(at::kDouble) - wide).abs().max() / wide.abs().max()).item<double>();
}

TensorMap in_precision(const TensorMap& weights, at::ScalarType precision) {
  TensorMap result;
  for (const auto& [name, w] : weights) {
    const auto format = w.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
    result[name] = w.to(adm_weight_type(name, precision)).contiguous(format);
  }
  return result;
}

/// Every argument of create_model at both of its values somewhere.
std::vector<AdmConfig> configurations() {
  AdmConfig plain = tiny_adm_config();
  AdmConfig modern = plain;
  modern.widths = {32, 96, 64};
  modern.attention = {false, true, true};
  modern.res_blocks = 2;
  modern.out_channels = 3;
  modern.head_channels = 32;
  modern.scale_shift_norm = modern.resblock_updown = modern.new_attention_order = true;
  AdmConfig mixed = plain;
  mixed.widths = {64, 32, 96};
  mixed.attention = {false, true, true};
  mixed.heads = 1;
  mixed.heads_upsample = 4;
  mixed.scale_shift_norm = true;
  AdmConfig other = plain;
  other.resblock_updown = true;
  other.attention = {false, false};
  AdmConfig one_level = plain;
  one_level.widths = {32};
  one_level.attention = {true};
  one_level.new_attention_order = true;
  return {plain, modern, mixed, other, one_level};
}

TEST(AdmUNet, IsItsTwinInEveryConfiguration) {
  const c10::InferenceMode inference;
  std::uint64_t seed = 1;
  for (const AdmConfig& config : configurations()) {
    const TensorMap weights = random_adm(config, ++seed);
    const at::Tensor x = random_tensor({2, 3, 8, 16}, seed);
    const at::Tensor t = at::tensor({3.f, 871.f});
    const at::Tensor expected = at::stack(
        {twins::adm_forward(config, weights, x[0], 3), twins::adm_forward(config, weights, x[1], 871)});
    const at::Tensor output = adm_forward(config, in_precision(weights, at::kFloat), x, t);
    ASSERT_EQ(output.sizes(), expected.sizes());
    EXPECT_LT(relative_error(output, expected), 2e-5) << adm_config_to_text(config);
    EXPECT_EQ(output.scalar_type(), at::kFloat);
    // Rounding to 16 bits is an error of 2^-9 and 2^-12 in each of some twenty layers.
    EXPECT_LT(relative_error(adm_forward(config, in_precision(weights, at::kBFloat16), x, t), expected),
              0.08);
    EXPECT_LT(relative_error(adm_forward(config, in_precision(weights, at::kHalf), x, t), expected), 0.01);
  }
}

TEST(AdmUNet, APictureDoesntDependOnItsBatch) {
  const c10::InferenceMode inference;
  const AdmConfig config = configurations()[1];
  const TensorMap weights = in_precision(random_adm(config, 1), at::kFloat);
  const at::Tensor x = random_tensor({3, 3, 16, 8}, 1), t = at::tensor({0.f, 500.f, 999.f});
  const at::Tensor together = adm_forward(config, weights, x, t);
  for (int i = 0; i < 3; ++i)
    EXPECT_LT(relative_error(adm_forward(config, weights, x.narrow(0, i, 1), t.narrow(0, i, 1)),
                             together.narrow(0, i, 1)),
              1e-5);
}

TEST(AdmUNet, TheSameTwiceIsTheSameBytes) {
  const c10::InferenceMode inference;
  const AdmConfig config = tiny_adm_config();
  const TensorMap weights = in_precision(random_adm(config, 1), at::kFloat);
  const at::Tensor x = random_tensor({1, 3, 32, 32}, 1), t = at::tensor({500.f});
  const at::Tensor first = adm_forward(config, weights, x, t);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(at::equal(adm_forward(config, weights, x, t), first));
}

TEST(AdmUNet, ThePublishedNetworkHasItsSize) {
  std::int64_t parameters = 0;
  for (const auto& [name, shape] : adm_shapes(adm_256_config())) {
    std::int64_t count = 1;
    for (const std::int64_t size : shape) count *= size;
    parameters += count;
  }
  EXPECT_EQ(parameters, 552'814'086);
  // The paper's table 2 in the published code's own count: 1.12 T.
  EXPECT_NEAR(adm_multiply_adds(adm_256_config(), 256, 256), 1.12e12, 0.01e12);
  EXPECT_EQ(adm_256_config().multiple(), 32);
}

TEST(GroupNorm, IsItsDefinitionInEveryPrecision) {
  const c10::InferenceMode inference;
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf})
    for (const bool with_film : {false, true})
      for (const Activation activation : {Activation::none, Activation::silu})
        for (const bool last : {true, false}) {
          const std::int64_t channels = 96;
          // A mean far from 0 is where sums of squares lose digits.
          const at::Tensor x =
              (random_tensor({2, channels, 37, 29}, 1) * 3 + 20)
                  .to(type)
                  .contiguous(last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
          const at::Tensor weight = random_tensor({channels}, 2), bias = random_tensor({channels}, 3);
          const at::Tensor film = with_film ? random_tensor({2, 2 * channels}, 4) : at::Tensor();
          at::Tensor y =
              at::group_norm(x.to(at::kDouble), 32, weight.to(at::kDouble), bias.to(at::kDouble), 1e-5);
          if (with_film) {
            const at::Tensor wide = film.to(at::kDouble).unsqueeze(2).unsqueeze(3);
            y = y * (wide.narrow(1, 0, channels) + 1) + wide.narrow(1, channels, channels);
          }
          if (activation == Activation::silu) y = y * at::sigmoid(y);
          const double rounding = type == at::kFloat ? 2e-6 : type == at::kHalf ? 1e-3 : 8e-3;
          at::Tensor apart = at::empty_like(x), in_place = x.clone();
          group_norm(x, weight, bias, film, activation, apart);
          group_norm(in_place, weight, bias, film, activation, in_place);
          EXPECT_LT(relative_error(apart, y), rounding) << type << with_film << int(activation) << last;
          EXPECT_TRUE(at::equal(apart, in_place));
        }
}

TEST(GroupNorm, SiluHoldsOverTheWholeRange) {
  const c10::InferenceMode inference;
  // Weights of 0 make the result a function of the shift alone.
  const std::int64_t channels = 32 * 1000;
  const at::Tensor bias = at::linspace(-120, 120, channels);
  const at::Tensor extreme = at::tensor({-1e6f, 1e6f, -0.f, 0.f, 1e-30f, -1e-30f, 88.f, -88.f});
  bias.narrow(0, 0, extreme.numel()).copy_(extreme);
  const at::Tensor x = at::zeros({1, channels, 1, 1}).contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor y = at::empty_like(x);
  group_norm(x, at::zeros({channels}), bias, {}, Activation::silu, y);
  const at::Tensor expected = bias.to(at::kDouble) * at::sigmoid(bias.to(at::kDouble));
  // Relative, but for what is next to nothing: below -87 the exponential stays at e^-87, about 1.6e-38.
  const at::Tensor error = (y.view(-1).to(at::kDouble) - expected).abs() / (expected.abs() + 1e-25);
  EXPECT_LT(error.max().item<double>(), 4e-6);
}

}  // namespace
}  // namespace digfusion
