// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/noise_fields.h"

#include <gtest/gtest.h>

#include <vector>

namespace digfusion {
namespace {

TEST(NoiseFields, AreDrawnOnce) {
  NoiseFields fields(at::kCPU, 3 * 16 * 24 * 4);
  const auto number_bytes = [](std::size_t count) { return count * 16 * 24 * 4; };
  const NoiseField of_seed = fields.of(5);
  std::vector<at::Tensor> drawn;
  for (const int number : {0, 7, 1'000'000, 3}) drawn.push_back(of_seed(number, 16, 24));
  EXPECT_FALSE(fields.all_kept());
  EXPECT_EQ(fields.bytes(), number_bytes(3));
  for (std::size_t i = 0; i < 4; ++i) {
    const int number = std::vector{0, 7, 1'000'000, 3}[i];
    EXPECT_TRUE(at::equal(drawn[i], seeded_noise(5, at::kCPU)(number, 16, 24)));
    const at::Tensor again = of_seed(number, 16, 24);
    EXPECT_TRUE(at::equal(again, drawn[i]));
    EXPECT_EQ(again.is_same(drawn[i]), i < 3);
    EXPECT_EQ(fields.kept(5, number, 16, 24).defined(), i < 3);
  }
  EXPECT_FALSE(fields.kept(4, 0, 16, 24).defined());
  EXPECT_FALSE(fields.kept(5, 0, 24, 16).defined());

  EXPECT_TRUE(at::equal(of_seed(7, 24, 16), seeded_noise(5, at::kCPU)(7, 24, 16)));
  EXPECT_TRUE(fields.all_kept());
  EXPECT_EQ(fields.bytes(), number_bytes(1));
  EXPECT_TRUE(at::equal(fields.of(6)(7, 24, 16), seeded_noise(6, at::kCPU)(7, 24, 16)));
  EXPECT_EQ(fields.bytes(), number_bytes(1));
}

}  // namespace
}  // namespace digfusion
