// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/diffusion/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "core/interface/error.h"

namespace digfusion {
namespace {

TEST(NoiseSchedule, LinearIsThePublishedOne) {
  const NoiseSchedule schedule = linear_schedule();
  ASSERT_EQ(schedule.timesteps(), 1000);
  ASSERT_EQ(schedule.alpha_bar.size(), 1000u);
  double product = 1;
  for (int t = 0; t < 1000; ++t) {
    const auto i = static_cast<std::size_t>(t);
    const double beta = 1e-4 + t * (0.02 - 1e-4) / 999;
    product *= 1 - beta;
    ASSERT_NEAR(schedule.beta[i], beta, 1e-16) << t;
    ASSERT_NEAR(schedule.alpha_bar[i], product, 1e-13) << t;
  }
  // numpy.cumprod(1 - numpy.linspace(1e-4, 2e-2, 1000))
  EXPECT_DOUBLE_EQ(schedule.alpha_bar.front(), 0.9999);
  EXPECT_NEAR(schedule.alpha_bar[499], 0.0785872429, 1e-9);
  EXPECT_NEAR(schedule.alpha_bar.back(), 4.0358e-5, 1e-9);
  EXPECT_NEAR(1 / std::sqrt(schedule.alpha_bar.back()), 157.4, 0.1);
}

TEST(NoiseSchedule, LinearOfFewerStepsReachesTheSameNoise) {
  // β grows by 1000/T, so that the whole chain destroys about as much.
  EXPECT_NEAR(std::log(linear_schedule(500).alpha_bar.back()), std::log(linear_schedule().alpha_bar.back()),
              0.15);
  for (const double beta : linear_schedule(10).beta) {
    EXPECT_GT(beta, 0);
    EXPECT_LE(beta, 0.999);
  }
}

TEST(NoiseSchedule, CosineIsItsClosedForm) {
  const NoiseSchedule schedule = cosine_schedule();
  ASSERT_EQ(schedule.timesteps(), 1000);
  const auto f = [](double u) { return std::pow(std::cos((u + 0.008) / 1.008 * std::numbers::pi / 2), 2); };
  // The product of 1-β telescopes to f((t+1)/T)/f(0) until β is capped in the last step.
  for (int t = 0; t < 999; ++t) {
    const double expected = f((t + 1) / 1000.0) / f(0);
    ASSERT_NEAR(schedule.alpha_bar[std::size_t(t)] / expected, 1, 1e-9) << t;
  }
  EXPECT_EQ(schedule.beta.back(), 0.999);
  for (const double beta : schedule.beta) ASSERT_LE(beta, 0.999);
}

TEST(NoiseSchedule, SigmaRisesStrictly) {
  for (const NoiseSchedule& schedule : {linear_schedule(), cosine_schedule(), linear_schedule(50)}) {
    for (int t = 0; t < schedule.timesteps(); ++t) {
      const double a = schedule.alpha_bar[std::size_t(t)];
      ASSERT_DOUBLE_EQ(schedule.sigma(t), std::sqrt((1 - a) / a));
      if (t > 0) {
        ASSERT_GT(schedule.sigma(t), schedule.sigma(t - 1));
      }
    }
    EXPECT_THROW(schedule.sigma(schedule.timesteps()), std::out_of_range);
  }
}

TEST(NoiseSchedule, TimestepOfInvertsSigma) {
  for (const NoiseSchedule& schedule : {linear_schedule(), cosine_schedule()})
    for (int t = 0; t < schedule.timesteps(); ++t) ASSERT_EQ(schedule.timestep_of(schedule.sigma(t)), t);
}

TEST(NoiseSchedule, TimestepOfIsTheNearestInRatio) {
  const NoiseSchedule schedule = linear_schedule();
  for (double sigma = 0.001; sigma < 1000; sigma *= 1.037) {
    int nearest = 0;
    for (int t = 1; t < 1000; ++t)
      if (std::abs(std::log(schedule.sigma(t) / sigma)) < std::abs(std::log(schedule.sigma(nearest) / sigma)))
        nearest = t;
    ASSERT_EQ(schedule.timestep_of(sigma), nearest) << sigma;
  }
  EXPECT_EQ(schedule.timestep_of(0), 0);
  EXPECT_EQ(schedule.timestep_of(HUGE_VAL), 999);
}

TEST(SamplingTimesteps, FallStrictlyFromTheNoisiestForEveryCount) {
  for (const Spacing spacing : {Spacing::uniform, Spacing::quadratic})
    for (int steps = 1; steps <= 1000; ++steps) {
      const std::vector<int> t = sampling_timesteps(1000, steps, spacing);
      ASSERT_EQ(t.size(), std::size_t(steps));
      ASSERT_EQ(t.front(), 999) << steps;
      ASSERT_GE(t.back(), 0) << steps;
      ASSERT_TRUE(std::is_sorted(t.rbegin(), t.rend(), std::less_equal<>())) << steps << " steps";
    }
}

TEST(SamplingTimesteps, AreThePublishedFormulaWhereNothingTies) {
  for (const auto& [spacing, power] :
       {std::pair(Spacing::uniform, 1.0), std::pair(Spacing::quadratic, 2.0)}) {
    const std::vector<int> t = sampling_timesteps(1000, 25, spacing);
    for (int i = 0; i < 25; ++i)
      EXPECT_EQ(t[std::size_t(i)], std::lround(999 * std::pow(1 - i / 25.0, power))) << i;
  }
  EXPECT_EQ(sampling_timesteps(1000, 4, Spacing::uniform), (std::vector<int>{999, 749, 500, 250}));
  EXPECT_EQ(sampling_timesteps(1000, 4, Spacing::quadratic), (std::vector<int>{999, 562, 250, 62}));
}

TEST(SamplingTimesteps, AllOfThemAreEveryTimestep) {
  for (const Spacing spacing : {Spacing::uniform, Spacing::quadratic}) {
    const std::vector<int> t = sampling_timesteps(1000, 1000, spacing);
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(t[std::size_t(i)], 999 - i);
  }
}

TEST(SamplingTimesteps, QuadraticStepsShrinkWithTheNoise) {
  const std::vector<int> t = sampling_timesteps(1000, 25, Spacing::quadratic);
  EXPECT_GT(t[0] - t[1], 5 * (t[23] - t[24]));
}

TEST(SamplingTimesteps, RefusesImpossibleCounts) {
  for (const int steps : {0, -1, 1001}) {
    try {
      sampling_timesteps(1000, steps, Spacing::uniform);
      ADD_FAILURE() << steps << " steps were allowed";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_NE(std::string(error.what()).find(std::to_string(steps)), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace digfusion
