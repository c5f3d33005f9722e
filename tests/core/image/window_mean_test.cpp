// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/window_mean.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/core/tensors.h"

namespace digfusion {
namespace {

/// Of maps [N,H,W], in float64.
std::vector<double> twin(const at::Tensor& maps, const std::vector<float>& kernel) {
  const int count = int(maps.size(0)), height = int(maps.size(1)), width = int(maps.size(2)),
            radius = int(kernel.size()) / 2;
  const std::vector<double> from = numbers(maps);
  std::vector<double> means;
  for (int n = 0; n < count; ++n)
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        double sum = 0, weights = 0;
        for (int j = std::max(y - radius, 0); j <= std::min(y + radius, height - 1); ++j)
          for (int i = std::max(x - radius, 0); i <= std::min(x + radius, width - 1); ++i) {
            const double weight =
                double(kernel[std::size_t(j - y + radius)]) * double(kernel[std::size_t(i - x + radius)]);
            sum += weight * from[std::size_t((n * height + j) * width + i)];
            weights += weight;
          }
        means.push_back(sum / weights);
      }
  return means;
}

TEST(WindowMean, EqualsItsTwinInLoopsAndInATen) {
  const std::vector<std::vector<float>> kernels = {
      {1}, {1, 2, 1}, {0.5, 0.25, 1, 3, 0.125}, std::vector<float>(31, 0.5)};
  for (const auto& [height, width] : {std::pair(1, 1), std::pair(3, 70), std::pair(40, 131), std::pair(9, 4)})
    for (const std::vector<float>& kernel : kernels) {
      const at::Tensor maps = random_tensor({2, height, width}, 5);
      const std::vector<double> expected = twin(maps, kernel), loops = numbers(window_mean(maps, kernel)),
                                taps = numbers(window_mean(maps.to(at::kDouble), kernel));
      for (std::size_t i = 0; i < expected.size(); ++i) {
        ASSERT_NEAR(loops[i], expected[i], 1e-5) << height << "×" << width << ", " << kernel.size();
        ASSERT_NEAR(taps[i], expected[i], 1e-6) << height << "×" << width << ", " << kernel.size();
      }
      // Equal weights have operators of their own where there are no loops.
      const int radius = int(kernel.size()) / 2;
      const std::vector<double> plain = twin(maps, std::vector<float>(kernel.size(), 1.f)),
                                box = numbers(box_filter(maps.to(at::kDouble), radius));
      for (std::size_t i = 0; i < plain.size(); ++i)
        ASSERT_NEAR(box[i], plain[i], 1e-12) << height << "×" << width << ", " << radius;
    }
}

TEST(WindowMean, TakesMapsThatLieElsewhereInMemory) {
  const at::Tensor maps = random_tensor({2, 12, 30}, 5), turned = maps.transpose(1, 2);
  EXPECT_TRUE(at::equal(box_filter(turned, 2), box_filter(turned.contiguous(), 2)));
  EXPECT_EQ(box_filter(maps.narrow(1, 0, 0), 2).numel(), 0);
}

}  // namespace
}  // namespace digfusion
