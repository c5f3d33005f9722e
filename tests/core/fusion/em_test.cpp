// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/em.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/fusion/guided.h"
#include "tests/core/fusion/fake_denoiser.h"

namespace digfusion {
namespace {

/// E[f(m)] under p(m) ∝ m^-½ exp(-r²/2m - m/γ), by the midpoint rule over ln m.
template <class Function>
double posterior_mean(double r, double gamma, const Function& f) {
  double sum = 0, total = 0;
  for (double u = -40; u < 10; u += 1e-3) {
    const double m = std::exp(u), density = std::exp(0.5 * u - r * r / (2 * m) - m / gamma);
    sum += f(m) * density;
    total += density;
  }
  return sum / total;
}

TEST(Em, ExpectationsAreThoseOfThePosterior) {
  for (const double gamma : {0.02, 0.3, 1.0})
    for (const double r : {0.01, 0.1, 0.7, -1.5}) {
      const at::Tensor g = at::full({1, 1, 1, 1}, gamma, at::kDouble);
      const at::Tensor expected = expect_inverse_variance(at::full({1, 1, 1, 1}, r, at::kDouble), g);
      const double seen = std::sqrt(r * r + 1e-6);  // the distance with its bound
      const double inverse = posterior_mean(seen, gamma, [](double v) { return 1 / v; });
      EXPECT_NEAR(expected.item<double>() / inverse, 1, 1e-4) << gamma << " " << r;
      const double mean = posterior_mean(seen, gamma, [](double v) { return v; });
      EXPECT_NEAR(expect_variance(expected, g).item<double>() / mean, 1, 1e-4) << gamma << " " << r;
    }
}

TEST(Em, SmoothSolveIsTheMinimum) {
  for (const auto& [height, width] : {std::pair(6, 7), std::pair(5, 8)}) {
    const at::Tensor x = random_tensor({1, 1, height, width}, 1).to(at::kDouble),
                     u = random_tensor({2, 1, height, width}, 2).to(at::kDouble);
    const at::Tensor s = solve_smooth(x, u);
    const auto cost = [&](const at::Tensor& at) {
      return ((u - circular_gradient(at)).square().sum() + (at - x).square().sum()).item<double>();
    };
    // A quadratic is least where no step along any axis lowers it.
    for (std::int64_t i = 0; i < s.numel(); ++i)
      for (const double step : {-1e-3, 1e-3}) {
        at::Tensor moved = s.clone();
        moved.view(-1)[i] += step;
        ASSERT_GT(cost(moved), cost(s)) << i;
      }
    const twins::Map twin = twins::solve_smooth(maps_of(x)[0], maps_of(u));
    expect_maps_near(s, {twin}, 1e-9);
  }
}

TEST(Em, CorrectionEqualsItsTwinOverSeveralSteps) {
  for (const int count : {2, 4}) {
    const at::Tensor sources = random_pictures(count, 6, 8, 3).to(at::kDouble);
    EmCorrection correction(sources, 0.5, 0.1);
    twins::EmCorrection twin(maps_of(sources), 0.5, 0.1);
    for (int step = 0; step < 4; ++step) {
      const at::Tensor x0 = random_pictures(1, 6, 8, std::uint64_t(20 + step)).to(at::kDouble);
      expect_maps_near(correction.correct(x0), {twin.correct(maps_of(x0)[0])}, 1e-8);
    }
  }
}

TEST(Em, KeepsBothSourcesOverAWholeSampling) {
  // Nearer to both than either is to the other: a correction that follows whichever source is ahead ends at
  // it.
  const at::Tensor sources = random_pictures(2, 24, 24, 5);
  Parameters p;
  p.steps = 25;
  p.guidance = Guidance::em;
  const FakeDenoiser denoiser;
  Evaluator evaluator(denoiser);
  const at::Tensor fused = sample_guided(evaluator, sources, p, fake_noise);
  const double apart = (sources[0] - sources[1]).square().mean().item<double>();
  for (int k = 0; k < 2; ++k)
    EXPECT_LT((fused[0] - sources[k]).square().mean().item<double>(), 0.6 * apart) << k;
}

TEST(Em, WithoutSplittingLiesBetweenTheSources) {
  const at::Tensor sources = random_pictures(3, 8, 8, 5);
  EmCorrection correction(sources, 0.5, 0);
  const at::Tensor result = correction.correct(random_pictures(1, 8, 8, 9));
  EXPECT_TRUE((result <= sources.amax(0, true) + 1e-5).all().item<bool>());
  EXPECT_TRUE((result >= sources.amin(0, true) - 1e-5).all().item<bool>());
}

TEST(Em, EqualSourcesPullToThemselves) {
  const at::Tensor one = random_pictures(1, 8, 8, 5);
  EmCorrection correction(one.expand({3, 1, 8, 8}), 0.5, 0.1);
  const at::Tensor off = one + random_tensor({1, 1, 8, 8}, 1) * 0.1;
  EXPECT_LT((correction.correct(off) - one).abs().mean().item<double>(),
            0.2 * (off - one).abs().mean().item<double>());
}

TEST(Em, ChangesNoArgument) {
  const at::Tensor sources = random_pictures(2, 8, 8, 5), x0 = random_pictures(1, 8, 8, 6);
  const at::Tensor before[] = {sources.clone(), x0.clone()};
  EmCorrection correction(sources, 0.5, 0.1);
  (void)correction.correct(x0);
  EXPECT_TRUE(at::equal(before[0], sources) && at::equal(before[1], x0));
}

}  // namespace
}  // namespace digfusion
