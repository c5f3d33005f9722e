// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/adm_convolution.h"

#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "core/device/device.h"

namespace digfusion {
namespace {

constexpr std::int64_t in = 32, out = 48, height = 12, width = 20;

struct Layer {
  std::int64_t kernel, stride;
};

/// One layer's inputs, of numbers that the precision holds, and float64 twins of what it computes.
struct Case {
  Case(Layer layer, at::ScalarType precision, std::int64_t rows = height, std::int64_t columns = width)
      : stride(layer.stride) {
    at::manual_seed(7);
    const auto some = [&](at::IntArrayRef sizes) { return at::randn(sizes).to(precision); };
    x = some({2, in, rows, columns}).contiguous(at::MemoryFormat::ChannelsLast);
    weight = some({out, in, layer.kernel, layer.kernel});
    bias = some({out});
    expected =
        at::conv2d(x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble), stride, layer.kernel / 2);
    sum = some(expected.sizes()).contiguous(at::MemoryFormat::ChannelsLast);
    expected_sum = expected + sum.to(at::kDouble);
  }

  const c10::InferenceMode inference{};
  std::int64_t stride;
  at::Tensor x, weight, bias, sum, expected, expected_sum;
};

constexpr Layer layers[] = {{3, 1}, {3, 2}, {1, 1}};

/// Relative to the largest number.
void expect_near(const at::Tensor& computed, const at::Tensor& expected, double tolerance) {
  ASSERT_EQ(computed.sizes(), expected.sizes());
  const double error = (computed.to(at::kDouble) - expected).abs().max().item<double>();
  EXPECT_LE(error, tolerance * expected.abs().max().item<double>());
}

TEST(AdmConvolution, InFloat32WeightsStayAsTheyAreAndGiveConv2d) {
  for (const Layer layer : layers) {
    SCOPED_TRACE(std::to_string(layer.kernel) + " wide, stride " + std::to_string(layer.stride));
    Case c(layer, at::kFloat);
    const at::Tensor same = packed_convolution(c.weight, c.stride, height, width);
    EXPECT_TRUE(same.is_same(c.weight));
    expect_near(convolution(c.x, same, c.bias, c.stride), c.expected, 1e-5);
    if (c.stride != 1) continue;
    add_convolution(c.x, same, c.bias, c.sum);
    expect_near(c.sum, c.expected_sum, 1e-5);
  }
}

/// Sums are float32 and rounded at the end: half of 2⁻⁸, or of twice that where a number is rounded twice.
TEST(AdmConvolution, PackedWeightsAreTheFloat64TwinRoundedToBfloat16) {
  for (const Layer layer : layers)
    // Sizes that the weight was packed for, and others.
    for (const std::int64_t rows : {height, height + 6}) {
      SCOPED_TRACE(std::to_string(layer.kernel) + " wide, stride " + std::to_string(layer.stride) + ", " +
                   std::to_string(rows) + " rows");
      Case c(layer, at::kBFloat16, rows);
      const at::Tensor packed = packed_convolution(c.weight, c.stride, height, width);
      EXPECT_EQ(packed.sizes(), c.weight.sizes());
      EXPECT_EQ(packed.is_mkldnn(), cpu_has_bfloat16());
      expect_near(convolution(c.x, packed, c.bias, c.stride), c.expected, 0x1p-8);
      if (c.stride != 1) continue;
      const void* where = c.sum.const_data_ptr();
      add_convolution(c.x, packed, c.bias, c.sum);
      expect_near(c.sum, c.expected_sum, 0x1p-8);
      EXPECT_EQ(c.sum.const_data_ptr(), where);
    }
}

}  // namespace
}  // namespace digfusion
