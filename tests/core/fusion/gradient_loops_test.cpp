// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/gradient_loops.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "core/fusion/gradient.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

/// Sizes, so that rows are fewer than a vector has lanes, no multiple of it, and shared between threads.
constexpr std::tuple<int, int, int> sizes[] = {
    {2, 2, 2}, {2, 3, 17}, {3, 19, 5}, {2, 61, 640}, {4, 130, 259}};

TEST(GradientLoops, SobelEnergyEqualsItsTwin) {
  for (const auto& [count, height, width] : sizes) {
    const at::Tensor sources = random_tensor({count, 1, height, width}, 3);
    ASSERT_TRUE(is_loopable(sources));
    const std::vector<double> c = numbers(sources), energy = numbers(sobel_energy_loops(sources));
    for (int k = 0; k < count; ++k)
      for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x) {
          const auto at = [&, k = k, height = height, width = width](int row, int column) {
            return c[std::size_t((k * height + std::clamp(row, 0, height - 1)) * width +
                                 std::clamp(column, 0, width - 1))];
          };
          double gx = 0, gy = 0;
          for (int i = -1; i <= 1; ++i) {
            const int share = i == 0 ? 2 : 1;
            gx += share * (at(y + i, x + 1) - at(y + i, x - 1));
            gy += share * (at(y + 1, x + i) - at(y - 1, x + i));
          }
          const double expected = (gx * gx + gy * gy) / 64;
          ASSERT_NEAR(energy[std::size_t((k * height + y) * width + x)], expected, 1e-5 * (1 + expected));
        }
  }
}

TEST(GradientLoops, DivergenceEqualsATensInFloat64) {
  for (const auto& [count, height, width] : sizes) {
    const at::Tensor sources = random_tensor({count, 1, height, width}, 3),
                     weights = at::softmax(random_tensor({count, 1, height, width}, 4), 0);
    const at::Tensor expected = weighted_divergence(sources.to(at::kDouble), weights.to(at::kDouble), 1.25);
    EXPECT_TRUE(at::allclose(divergence_loops(sources, weights, 1.25), expected.to(at::kFloat), 1e-5, 1e-5));
  }
}

TEST(GradientLoops, LeaveOtherTensorsToATen) {
  const at::Tensor sources = random_tensor({2, 1, 8, 8}, 1);
  EXPECT_FALSE(is_loopable(sources.to(at::kDouble)));
  EXPECT_FALSE(is_loopable(sources.transpose(2, 3)));
}

}  // namespace
}  // namespace digfusion
