// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/poisson.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <opencv2/core.hpp>

#include "tests/core/tensors.h"

namespace digfusion {
namespace {

constexpr double mu = 0.003;

/// The exact solution, in float64: Δ with Neumann borders is diagonal in the discrete cosine transform.
at::Tensor solve_exactly(const at::Tensor& right) {
  const int height = int(right.size(2)), width = int(right.size(3));
  const at::Tensor values = right.to(at::kDouble).contiguous();
  const cv::Mat b(height, width, CV_64F, values.data_ptr<double>());
  const auto eigenvalue = [](int i, int n) { return 2 - 2 * std::cos(std::numbers::pi * i / n); };
  // cv::dct() takes even lengths alone: products with the transform's matrix take any.
  const auto transform = [](int n) {
    cv::Mat c(n, n, CV_64F);
    for (int k = 0; k < n; ++k)
      for (int i = 0; i < n; ++i)
        c.at<double>(k, i) =
            std::cos(std::numbers::pi / n * (i + 0.5) * k) * std::sqrt((k == 0 ? 1.0 : 2.0) / n);
    return c;
  };
  const cv::Mat rows = transform(height), columns = transform(width);
  cv::Mat spectrum = rows * b * columns.t();
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      spectrum.at<double>(y, x) /= mu + eigenvalue(y, height) + eigenvalue(x, width);
  const cv::Mat f = rows.t() * spectrum * columns;
  return at::from_blob(f.data, {1, 1, height, width}, at::kDouble).clone();
}

/// μ f - Δf, plainly.
at::Tensor apply_operator(const at::Tensor& f) {
  at::Tensor result = f * mu;
  for (const int dim : {2, 3}) {
    const std::int64_t n = f.size(dim);
    if (n == 1) continue;
    const at::Tensor step = f.narrow(dim, 1, n - 1) - f.narrow(dim, 0, n - 1);
    result.narrow(dim, 0, n - 1).sub_(step);
    result.narrow(dim, 1, n - 1).add_(step);
  }
  return result;
}

/// A picture of blobs and noise, its equation's right side from the gradients of another one.
struct Problem {
  Problem(std::int64_t height, std::int64_t width) {
    const at::Tensor y = at::arange(height, at::kFloat).view({1, 1, -1, 1}) / 37,
                     x = at::arange(width, at::kFloat).view({1, 1, 1, -1}) / 53;
    base = (y.sin() * x.cos()) * 0.4 + random_pictures(1, height, width, 5) * 0.1;
    const at::Tensor other = (x + 2 * y).sin() * 0.3 + random_pictures(1, height, width, 6) * 0.3;
    right = base * mu + apply_operator(other) - other * mu;
  }
  at::Tensor base, right;
};

double rms(const at::Tensor& a, const at::Tensor& b) {
  return 127.5 * (a.to(at::kDouble) - b.to(at::kDouble)).square().mean().sqrt().item<double>();
}

TEST(Poisson, TheTwinSolvesTheEquation) {
  const Problem problem(23, 30);
  const at::Tensor f = solve_exactly(problem.right);
  EXPECT_TRUE(at::allclose(apply_operator(f), problem.right.to(at::kDouble), 0, 1e-9));
}

TEST(Poisson, TwoCyclesAreCloseToExactAtVideoSize) {
  const Problem problem(480, 640);
  ScreenedPoisson solver;
  EXPECT_LT(rms(solver.solve(problem.base, problem.right, mu, 2), solve_exactly(problem.right)), 0.2);
}

TEST(Poisson, ConvergesAtAnySize) {
  ScreenedPoisson solver;
  for (const auto& [height, width] : {std::pair(1, 1), std::pair(1, 2), std::pair(5, 1), std::pair(3, 3),
                                      std::pair(17, 31), std::pair(16, 120), std::pair(121, 97)}) {
    const Problem problem(height, width);
    const at::Tensor f = solver.solve(problem.base, problem.right, mu, 12);
    EXPECT_LT(rms(f, solve_exactly(problem.right)), 2e-3) << height << "×" << width;
    EXPECT_LT(rms(solver.solve(problem.base, problem.right, mu, 2), f), 0.4) << height << "×" << width;
  }
}

TEST(Poisson, AtenGivesTheSame) {
  ScreenedPoisson solver;
  for (const auto& [height, width] : {std::pair(2, 9), std::pair(48, 64), std::pair(45, 101)}) {
    const Problem problem(height, width);
    EXPECT_TRUE(at::allclose(solver.solve_with_aten(problem.base, problem.right, mu, 2),
                             solver.solve(problem.base, problem.right, mu, 2), 0, 1e-4))
        << height << "×" << width;
  }
}

TEST(Poisson, IsTheSameForAnyNumberOfThreadsAndLeavesNoTrace) {
  const Problem problem(200, 301);
  const int threads = at::get_num_threads();
  ScreenedPoisson solver;
  const at::Tensor first = solver.solve(problem.base, problem.right, mu, 2);
  (void)solver.solve(problem.base * 2, problem.right * 3, mu, 1);
  at::set_num_threads(threads == 1 ? 3 : 1);
  EXPECT_TRUE(at::equal(solver.solve(problem.base, problem.right, mu, 2), first));
  at::set_num_threads(threads);
}

TEST(Poisson, AConstantStaysAConstant) {
  ScreenedPoisson solver;
  const at::Tensor base = at::full({1, 1, 33, 50}, 0.25f);
  EXPECT_TRUE(at::allclose(solver.solve(base, base * mu, mu, 2), base, 0, 1e-5));
}

}  // namespace
}  // namespace digfusion
