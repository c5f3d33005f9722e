// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Figure 5 and theorem 1 of `digfusion reproduce` against plain loops in float64.
#include <gtest/gtest.h>

#include <cmath>
#include <opencv2/core.hpp>

#include "core/tools/reproduce_gain.h"
#include "core/tools/reproduce_methods.h"
#include "core/tools/reproduce_results.h"
#include "core/tools/reproduce_theorem.h"
#include "tests/core/tensors.h"

namespace digfusion::tools {
namespace {

constexpr std::int64_t height = 9, width = 13;

TEST(Figure5, CumulativeGainIsTheSumOfTheGains) {
  constexpr std::int64_t levels = 4, sources = 2;
  const at::Tensor distances = random_tensor({levels, sources, 1, height, width}, 3).square();
  const at::Tensor cumulative = cumulative_gain(distances);
  ASSERT_EQ(cumulative.sizes(), at::IntArrayRef({levels + 1, sources, height, width}));
  for (std::int64_t k = 0; k < sources; ++k)
    for (std::int64_t y = 0; y < height; ++y)
      for (std::int64_t x = 0; x < width; ++x) {
        double sum = 0;
        for (std::int64_t i = 0; i <= levels; ++i) {
          EXPECT_NEAR(cumulative[i][k][y][x].item<double>(), sum, 1e-5);
          if (i == levels) break;
          const double now = distances[i][k][0][y][x].item<double>();
          const double next = i + 1 < levels ? distances[i + 1][k][0][y][x].item<double>() : 0;
          sum += now - next;  // equation (8), S = 1
        }
      }
}

TEST(Figure5, MomentsAreThoseOfTheRegionsPixels) {
  const at::Tensor map = random_tensor({height, width}, 5);
  const Region region{2, 3, 6, 4};
  double sum = 0, squares = 0;
  for (int y = 3; y < 7; ++y)
    for (int x = 2; x < 8; ++x) sum += map[y][x].item<double>() / 24;
  for (int y = 3; y < 7; ++y)
    for (int x = 2; x < 8; ++x) squares += std::pow(map[y][x].item<double>() - sum, 2) / 24;
  const Moments moments = moments_of(map, region);
  EXPECT_NEAR(moments.mean, sum, 1e-9);
  EXPECT_NEAR(moments.variance, squares, 1e-9);
}

TEST(Figure5, RegionsAreWhereOneGainsMostAndBothLeast) {
  cv::Mat first(60, 80, CV_64F, cv::Scalar(1)), second = first.clone();
  first(cv::Rect(10, 5, 15, 15)).setTo(3);
  second(cv::Rect(50, 30, 15, 15)).setTo(4);
  first(cv::Rect(5, 40, 15, 15)).setTo(.1);
  second(cv::Rect(5, 40, 15, 15)).setTo(.1);
  const auto [a, b, c] = choose_regions(first, second);
  EXPECT_EQ(a.width, 15);
  EXPECT_EQ(a.height, 15);
  EXPECT_EQ(cv::Point(a.x, a.y), cv::Point(10, 5));
  EXPECT_EQ(cv::Point(b.x, b.y), cv::Point(50, 30));
  EXPECT_EQ(cv::Point(c.x, c.y), cv::Point(5, 40));
}

TEST(Figure5, RegionsDontOverlap) {
  cv::Mat first(40, 40, CV_64F, cv::Scalar(0)), second = first.clone();
  const auto regions = choose_regions(first, second);  // all places are alike
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < i; ++j) {
      const cv::Rect a(regions[i].x, regions[i].y, 10, 10), b(regions[j].x, regions[j].y, 10, 10);
      EXPECT_EQ((a & b).area(), 0);
    }
}

// --- theorem 1

struct Case {
  at::Tensor sources = random_pictures(2, height, width, 11), x0 = random_pictures(1, height, width, 12),
             ideal = random_pictures(1, height, width, 13), weights;
  Case() {
    const at::Tensor first = at::sigmoid(random_tensor({1, 1, height, width}, 14));
    weights = at::cat({first, 1 - first});
  }
};

TEST(Theorem1, SumsAreThoseOfPlainLoops) {
  const Case c;
  constexpr double scale = .4;
  const TheoremSums sums = theorem_sums(c.sources, c.x0, c.ideal, c.weights, scale);
  const std::vector<double> x0 = numbers(c.x0), ideal = numbers(c.ideal);
  const std::size_t pixels = x0.size();
  std::vector<double> guided = x0;
  for (std::size_t k = 0; k < 2; ++k) {
    const std::vector<double> source = numbers(c.sources[std::int64_t(k)]),
                              weight = numbers(c.weights[std::int64_t(k)]);
    std::vector<double> b(pixels);
    double mean_w = 0, mean_b = 0, covariance = 0;
    for (std::size_t i = 0; i < pixels; ++i) {
      const double towards = ideal[i] - x0[i];
      b[i] = (source[i] - x0[i]) * towards / std::abs(towards);  // the projection on it
      mean_w += weight[i] / double(pixels);
      mean_b += b[i] / double(pixels);
      guided[i] += scale * weight[i] * (source[i] - x0[i]);
    }
    for (std::size_t i = 0; i < pixels; ++i)
      covariance += (weight[i] - mean_w) * (b[i] - mean_b) / double(pixels);
    EXPECT_NEAR(sums.pairs[k].covariance(), covariance, 1e-7);
    EXPECT_NE(covariance, 0);
  }
  double zeta = 0;
  for (std::size_t i = 0; i < pixels; ++i) zeta += std::pow(guided[i] - ideal[i], 2) / 2 / double(pixels);
  EXPECT_NEAR(sums.zeta, zeta, 1e-6);
}

TEST(Theorem1, WhereTheEstimateIsIdealNothingContributes) {
  const Case c;
  EXPECT_EQ(contribution(c.sources, c.ideal, c.ideal).abs().max().item<float>(), 0);
}

TEST(Theorem1, OtherWeightsStillSumToOne) {
  const Case c;
  for (const Weighting weighting :
       {Weighting::gain, Weighting::shuffled, Weighting::rank, Weighting::equal}) {
    const at::Tensor w = reweighted(c.weights, weighting, 1);
    EXPECT_EQ(w.sizes(), c.weights.sizes());
    EXPECT_LT((w.sum(0) - 1).abs().max().item<float>(), 1e-6);
  }
}

TEST(Theorem1, ShuffledWeightsAreTheSameOnesElsewhere) {
  const Case c;
  const at::Tensor w = reweighted(c.weights, Weighting::shuffled, 1);
  EXPECT_GT((w - c.weights).abs().max().item<float>(), .1);
  EXPECT_TRUE(at::equal(std::get<0>(w[0].flatten().sort()), std::get<0>(c.weights[0].flatten().sort())));
  EXPECT_TRUE(at::equal(w, reweighted(c.weights, Weighting::shuffled, 1)));
  EXPECT_FALSE(at::equal(w, reweighted(c.weights, Weighting::shuffled, 2)));
}

TEST(Theorem1, RanksRiseWithTheWeights) {
  const Case c;
  const std::vector<double> w = numbers(c.weights[0]),
                            rank = numbers(reweighted(c.weights, Weighting::rank, 0)[0]);
  for (std::size_t i = 0; i < w.size(); ++i) {
    double below = 0;
    for (const double other : w) below += other < w[i];
    EXPECT_NEAR(rank[i], (below + .5) / double(w.size()), 1e-6);
  }
}

TEST(Theorem1, EqualWeightsHaveNoCovariance) {
  const Case c;
  const TheoremSums sums =
      theorem_sums(c.sources, c.x0, c.ideal, reweighted(c.weights, Weighting::equal, 0), .5);
  for (const PairSums& pair : sums.pairs) EXPECT_NEAR(pair.covariance(), 0, 1e-12);
}

// --- the tables' rows

TEST(Tables, ChangeWhatTheyAreAboutAndNothingElse) {
  Parameters p;
  ASSERT_FALSE(set(p, "preset", "paper"));
  p.seed = 5;
  for (int table = 1; table <= 5; ++table)
    for (const Task task : table_tasks(table))
      for (const TableMethod& method : table_methods(table, p, task)) {
        Parameters same = method.parameters;
        if (same.method != Method::guided) continue;  // the program's own way
        same.distance = p.distance;
        same.guidance = p.guidance;
        same.steps = p.steps;
        same.interval = p.interval;
        same.temperature = p.temperature;
        same.draws = p.draws;
        same.smoothing = p.smoothing;
        EXPECT_TRUE(same == p) << "table " << table << ", " << method.name;
      }
  const auto four = table_methods(4, p, Task::visible_infrared);
  ASSERT_EQ(four.size(), 4u);
  EXPECT_EQ(four[3].parameters.interval, 20);
  const auto five = table_methods(5, p, Task::visible_infrared);
  ASSERT_EQ(five.size(), 5u);
  EXPECT_EQ(five[2].name, "DIG-25");
  EXPECT_EQ(five[4].parameters.guidance, Guidance::em);
  EXPECT_EQ(five[4].parameters.steps, 100);
  EXPECT_EQ(table_methods(3, p, Task::visible_infrared)[3].parameters.distance, Distance::none);
}

TEST(Tables, ColumnsAreThoseOfThePaper) {
  TableEntry entry;
  entry.score.figures.psnr = 10;
  entry.score.figures.psnr_sum = 30;
  entry.score.figures.mi = std::log(8.0);
  entry.score.figures.nabf = .25;
  EXPECT_EQ(paper_figure(entry, "PSNR"), 30);
  EXPECT_NEAR(paper_figure(entry, "MI"), 3, 1e-12);
  EXPECT_EQ(paper_figure(entry, "Nabf"), .25);
  EXPECT_TRUE(std::isnan(paper_figure(entry, "LPIPS")));
  entry.score.lpips = .3;
  EXPECT_EQ(paper_figure(entry, "LPIPS"), .3);
}

}  // namespace
}  // namespace digfusion::tools
