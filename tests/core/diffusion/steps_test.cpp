// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/diffusion/steps.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/denoiser/safetensors.h"
#include "core/diffusion/schedule.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

// The posterior q(x_next | x_t, x_0) from Bayes' rule for Gaussians: a prior N(√ᾱ' x_0, 1-ᾱ') and an
// observation x_t = √a x_next + noise of variance b.
struct Gaussian {
  double mean, variance;
};
Gaussian posterior(double xt, double x0, double alpha_bar, double alpha_bar_next) {
  const double a = alpha_bar / alpha_bar_next, b = 1 - a, prior = 1 - alpha_bar_next;
  const double precision = 1 / prior + a / b;
  return {(std::sqrt(alpha_bar_next) * x0 / prior + std::sqrt(a) * xt / b) / precision, 1 / precision};
}

const std::vector<std::pair<int, int>> jumps = {{999, 998}, {999, 500}, {500, 499}, {200, 60},
                                                {60, 15},   {2, 0},     {1, 0}};

class Steps : public testing::Test {
 protected:
  const NoiseSchedule schedule = linear_schedule();
  double bar(int t) const { return schedule.alpha_bar[std::size_t(t)]; }
  const at::Tensor x0 = random_tensor({1, 1, 6, 7}, 1).tanh();
  const at::Tensor xt = random_tensor({1, 1, 6, 7}, 2) * 1.3;
  const at::Tensor noise = random_tensor({1, 1, 6, 7}, 3);
  const std::vector<double> x0s = numbers(x0), xts = numbers(xt), noises = numbers(noise);

  template <class Twin>
  void expect_equal(const at::Tensor& result, const Twin& twin, double tolerance) const {
    ASSERT_EQ(result.sizes(), x0.sizes());
    const std::vector<double> r = numbers(result);
    for (std::size_t i = 0; i < r.size(); ++i) ASSERT_NEAR(r[i], twin(i), tolerance) << i;
  }
};

TEST_F(Steps, AddNoiseKeepsTheVariance) {
  for (const int t : {0, 15, 200, 999})
    expect_equal(
        add_noise(x0, noise, bar(t)),
        [&](std::size_t i) { return std::sqrt(bar(t)) * x0s[i] + std::sqrt(1 - bar(t)) * noises[i]; }, 1e-6);
}

TEST_F(Steps, OneStepEstimateUndoesAddNoise) {
  for (const int t : {0, 15, 200, 700}) {
    const at::Tensor back = one_step_estimate(add_noise(x0, noise, bar(t)), noise, bar(t));
    expect_equal(
        back, [&](std::size_t i) { return x0s[i]; }, 1e-6 / std::sqrt(bar(t)));
  }
}

TEST_F(Steps, OneStepEstimateIsClippedWhereItExplodes) {
  // At t = 999 an error of .1 in ε is one of 16 in x̂0.
  const at::Tensor estimate = one_step_estimate(add_noise(x0, noise, bar(999)), noise + 0.1, bar(999));
  expect_equal(
      estimate, [](std::size_t) { return -1.0; }, 0);
  const at::Tensor loose = one_step_estimate(xt, noise, bar(999));
  expect_equal(
      loose,
      [&](std::size_t i) {
        return std::clamp((xts[i] - std::sqrt(1 - bar(999)) * noises[i]) / std::sqrt(bar(999)), -1.0, 1.0);
      },
      2e-5);
}

TEST_F(Steps, DdpmSamplesThePosterior) {
  for (const auto& [t, next] : jumps) {
    const double a = bar(t), b = bar(next);
    expect_equal(
        ddpm_step(xt, x0, noise, a, b),
        [&](std::size_t i) {
          const Gaussian p = posterior(xts[i], x0s[i], a, b);
          return p.mean + std::sqrt(p.variance) * noises[i];
        },
        2e-6);
  }
}

TEST_F(Steps, DdpmHasTheTextbookVariance) {
  for (int t = 1; t < 1000; ++t) {
    const double beta = schedule.beta[std::size_t(t)];
    const double expected = beta * (1 - bar(t - 1)) / (1 - bar(t));  // Ho et al., equation 7
    const at::Tensor zero = at::zeros({1}, at::kDouble);
    const double deviation =
        ddpm_step(zero, zero, at::ones({1}, at::kDouble), bar(t), bar(t - 1)).item<double>();
    ASSERT_NEAR(deviation * deviation, expected, 1e-9 * expected) << t;
  }
}

TEST_F(Steps, DdpmHasTheVarianceItIsTold) {
  const at::Tensor v = random_tensor({1, 1, 6, 7}, 4);
  const std::vector<double> vs = numbers(v);
  for (const auto& [t, next] : jumps) {
    const double a = bar(t), b = bar(next), beta = 1 - a / b;
    const double small = posterior(0, 0, a, b).variance;
    const auto twin = [&](const auto& variance) {
      return [&, variance](std::size_t i) {
        return posterior(xts[i], x0s[i], a, b).mean + std::sqrt(variance(i)) * noises[i];
      };
    };
    expect_equal(ddpm_step(xt, x0, noise, a, b, Variance::fixed_large),
                 twin([&](std::size_t) { return beta; }), 3e-6);
    expect_equal(ddpm_step(xt, x0, noise, a, b, Variance::learned, v), twin([&](std::size_t i) {
                   return std::pow(beta, (vs[i] + 1) / 2) * std::pow(small, (1 - vs[i]) / 2);
                 }),
                 1e-5);
  }
}

TEST_F(Steps, DdimWithoutEtaIsTheDeterministicMap) {
  for (const auto& [t, next] : jumps) {
    const double a = bar(t), b = bar(next);
    const auto twin = [&](std::size_t i) {
      const double epsilon = (xts[i] - std::sqrt(a) * x0s[i]) / std::sqrt(1 - a);
      return std::sqrt(b) * x0s[i] + std::sqrt(1 - b) * epsilon;
    };
    expect_equal(ddim_step(xt, x0, noise, a, b, 0), twin, 2e-6);
    expect_equal(ddim_step(xt, x0, at::Tensor(), a, b, 0), twin, 2e-6);  // no noise needed
  }
}

TEST_F(Steps, DdimWithEtaOneIsDdpm) {
  for (const auto& [t, next] : jumps) {
    const std::vector<double> ddpm = numbers(ddpm_step(xt, x0, noise, bar(t), bar(next)));
    expect_equal(
        ddim_step(xt, x0, noise, bar(t), bar(next), 1), [&](std::size_t i) { return ddpm[i]; }, 3e-6);
  }
}

TEST_F(Steps, DdimWithEtaIsItsPaperFormula) {
  for (const double eta : {0.3, 0.85})
    for (const auto& [t, next] : jumps) {
      const double a = bar(t), b = bar(next);
      const double deviation =
          eta * std::sqrt((1 - b) / (1 - a)) * std::sqrt(1 - a / b);  // equation 16 there
      expect_equal(
          ddim_step(xt, x0, noise, a, b, eta),
          [&](std::size_t i) {
            const double epsilon = (xts[i] - std::sqrt(a) * x0s[i]) / std::sqrt(1 - a);
            return std::sqrt(b) * x0s[i] + std::sqrt(1 - b - deviation * deviation) * epsilon +
                   deviation * noises[i];
          },
          2e-6);
    }
}

TEST_F(Steps, TheLastStepReturnsTheEstimate) {
  for (const int t : {0, 1, 40, 999}) {
    for (const Variance variance : {Variance::fixed_small, Variance::fixed_large, Variance::learned})
      EXPECT_TRUE(at::equal(ddpm_step(xt, x0, noise, bar(t), 1, variance, noise), x0)) << t;
    for (const double eta : {0.0, 0.5, 1.0})
      EXPECT_TRUE(at::equal(ddim_step(xt, x0, noise, bar(t), 1, eta), x0)) << t;
  }
}

TEST_F(Steps, ChangeNoArgument) {
  const at::Tensor before[] = {xt.clone(), x0.clone(), noise.clone()};
  (void)add_noise(x0, noise, 0.5);
  (void)one_step_estimate(xt, noise, 0.5);
  (void)ddpm_step(xt, x0, noise, 0.3, 0.5);
  (void)ddim_step(xt, x0, noise, 0.3, 0.5, 0.5);
  EXPECT_TRUE(at::equal(before[0], xt) && at::equal(before[1], x0) && at::equal(before[2], noise));
}

// guided-diffusion's own results, computed by running its code (see the README beside them).
class GuidedDiffusion : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("DIGFUSION_TEST_DATA");
    if (!folder) GTEST_SKIP() << "DIGFUSION_TEST_DATA isn't set: no reference vectors";
    golden =
        read_safetensors(std::string(folder) + "/reference/" + GetParam() + ".golden.safetensors").tensors;
  }
  TensorMap golden;
};

TEST_P(GuidedDiffusion, HasTheSameSchedule) {
  const NoiseSchedule schedule = linear_schedule();
  const std::vector<double> t = numbers(golden.at("respaced_timesteps")),
                            bars = numbers(golden.at("alphas_cumprod_respaced"));
  ASSERT_EQ(t.size(), 25u);
  for (std::size_t i = 0; i < t.size(); ++i)
    EXPECT_NEAR(schedule.alpha_bar[std::size_t(t[i])] / bars[i], 1, 1e-6) << i;
}

TEST_P(GuidedDiffusion, HasTheSameEstimateAndPosteriorMean) {
  const NoiseSchedule schedule = linear_schedule();
  const std::vector<double> timesteps = numbers(golden.at("t"));
  for (std::size_t i = 0; i < timesteps.size(); ++i) {
    const auto of = [&](const char* name) { return golden.at(name).narrow(0, std::int64_t(i), 1); };
    const auto t = std::size_t(timesteps[i]);
    const double bar = schedule.alpha_bar[t], bar_next = schedule.alpha_bar[t - 1];
    const at::Tensor x = of("x"), epsilon = of("output").narrow(1, 0, 3);
    const at::Tensor x0 = of("pred_xstart_clip");
    EXPECT_TRUE(at::allclose(one_step_estimate(x, epsilon, bar), x0, 1e-4, 1e-4)) << t;
    const at::Tensor mean = ddpm_step(x, x0, at::zeros_like(x), bar, bar_next);
    EXPECT_TRUE(at::allclose(mean, of("p_mean_clip"), 1e-4, 1e-5)) << t;
  }
}

TEST_P(GuidedDiffusion, HasTheSameVariance) {
  // Learned where the network has six outputs, otherwise fixed_large.
  const NoiseSchedule schedule = linear_schedule();
  const std::vector<double> timesteps = numbers(golden.at("t"));
  const at::Tensor output = golden.at("output");
  for (std::size_t i = 0; i < timesteps.size(); ++i) {
    const auto t = std::size_t(timesteps[i]);
    const double bar = schedule.alpha_bar[t], bar_next = schedule.alpha_bar[t - 1];
    const at::Tensor expected = golden.at("p_variance_clip").narrow(0, std::int64_t(i), 1).to(at::kDouble);
    const at::Tensor variance =
        output.size(1) == 6
            ? learned_variance(output.narrow(0, std::int64_t(i), 1).narrow(1, 3, 3).to(at::kDouble), bar,
                               bar_next)
            : at::full_like(expected, step_beta(bar, bar_next));
    EXPECT_TRUE(at::allclose(variance, expected, 1e-4, 1e-12)) << t;
  }
}

INSTANTIATE_TEST_SUITE_P(References, GuidedDiffusion,
                         testing::Values("adm_tiny", "adm_heads", "adm_new_order"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace digfusion
