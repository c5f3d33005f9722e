// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/noise_levels.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/core/tensors.h"

namespace digfusion {
namespace {

/// Two flat pictures with white noise.
at::Tensor noisy(double visible, double infrared, std::uint64_t seed) {
  const at::Tensor level = at::tensor({visible / 127.5, infrared / 127.5}).view({2, 1, 1, 1}).to(at::kFloat);
  return random_tensor({2, 1, 96, 128}, seed) * level;
}

TEST(NoiseLevels, AreFoundForEachSourceByItself) {
  NoiseLevels levels;
  const auto found = levels.of(noisy(0, 20, 1), Parameters{});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0], NoiseLevel{});
  EXPECT_NEAR(found[1].white, 20, 2);
}

TEST(NoiseLevels, AreTakenAsGiven) {
  NoiseLevels levels;
  Parameters p;
  p.noise = Word("3,auto");
  const auto found = levels.of(noisy(20, 20, 1), p);
  EXPECT_EQ(found[0], (NoiseLevel{3, 0}));
  EXPECT_NEAR(found[1].white, 20, 2);
  p.noise = Word("0,5+7");
  EXPECT_EQ(levels.of(noisy(20, 20, 1), p), (std::vector<NoiseLevel>{{0, 0}, {5, 7}}));
}

TEST(NoiseLevels, AreSteadyOverTimeAndFollowAJumpAtOnce) {
  NoiseLevels levels;
  const Parameters p;
  double alone = 0, mean = 0, previous_alone = 0, previous_mean = 0;
  for (std::uint64_t frame = 0; frame < 40; ++frame) {
    const at::Tensor sources = noisy(10, 10, 2 * frame);
    const double of_mean = levels.of(sources, p)[0].white, of_one = NoiseLevels().of(sources, p)[0].white;
    if (frame > 0) {
      alone += std::abs(of_one - previous_alone);
      mean += std::abs(of_mean - previous_mean);
    }
    previous_alone = of_one;
    previous_mean = of_mean;
  }
  EXPECT_LT(mean, 0.2 * alone);
  EXPECT_NEAR(levels.of(noisy(30, 10, 99), p)[0].white, 30, 3);
}

TEST(NoiseLevels, BeginAnewAfterAResetAndWithAnotherCountOfSources) {
  NoiseLevels levels;
  const Parameters p;
  const at::Tensor sources = noisy(10, 10, 1), later = noisy(11, 11, 2);
  (void)levels.of(sources, p);
  EXPECT_NE(levels.of(later, p), NoiseLevels().of(later, p));
  levels.reset();
  EXPECT_EQ(levels.of(later, p), NoiseLevels().of(later, p));
  (void)levels.of(sources.narrow(0, 0, 1), p);
  EXPECT_EQ(levels.of(later, p), NoiseLevels().of(later, p));
}

}  // namespace
}  // namespace digfusion
