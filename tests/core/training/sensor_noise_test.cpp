// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/training/sensor_noise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/training/objective.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

TEST(SensorNoise, IsAFunctionOfItsGenerator) {
  const at::Tensor pictures = random_pictures(4, 32, 32, 1);
  const SensorNoise a = sensor_noise(pictures, generator_for(1, 2)),
                    b = sensor_noise(pictures, generator_for(1, 2)),
                    c = sensor_noise(pictures, generator_for(1, 3));
  EXPECT_TRUE(at::equal(a.noisy, b.noisy));
  EXPECT_TRUE(at::equal(a.clean, b.clean));
  EXPECT_EQ(a.level, b.level);
  EXPECT_FALSE(at::equal(a.noisy, c.noisy));
}

TEST(SensorNoise, HasEveryKindAtTheLevelThatIsTold) {
  // On flat ground the estimate must find what the network is told in training.
  constexpr int count = 240;
  const at::Tensor flat = at::zeros({count, 1, 96, 96});
  const SensorNoise made = sensor_noise(flat, generator_for(5, 0));
  ASSERT_EQ(made.level.size(), std::size_t(count));
  int clean = 0, white = 0, column = 0, both = 0, dark = 0;
  for (int i = 0; i < count; ++i) {
    const NoiseLevel level = made.level[std::size_t(i)];
    const bool untouched = at::equal(made.noisy[i], made.clean[i]);
    EXPECT_EQ(untouched, level == NoiseLevel()) << i;
    clean += untouched;
    white += level.white > 0 && level.column == 0;
    column += level.white == 0 && level.column > 0;
    both += level.white > 0 && level.column > 0;
    dark += made.clean[i].max().item<double>() < -0.3;
    EXPECT_LE(level.white, 72);
    EXPECT_LE(level.column, 30);
    EXPECT_TRUE(at::isfinite(made.noisy[i]).all().item<bool>());
    // Where it is clipped, or darkened to where it will be, there is less of it to be found.
    if (made.clean[i].min().item<double>() < -0.3 || level.total() > 35) continue;
    const NoiseLevel found = estimate_noise(made.noisy[i]);
    EXPECT_NEAR(std::hypot(found.white, least_white_noise), std::hypot(level.white, least_white_noise),
                2 + 0.45 * level.white)
        << i;
    EXPECT_NEAR(found.column, level.column, 3 + 0.5 * level.column) << i;
  }
  for (const int kind : {clean, white, column, both, dark}) EXPECT_GT(kind, count / 24);
  EXPECT_LT(clean, count / 4);
}

}  // namespace
}  // namespace digfusion
