// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/reproduce_statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <string_view>

namespace digfusion::tools {
namespace {

/// Places from 1 on of values in rising order, ties sharing their mean.
template <class T>
std::vector<double> places(std::span<const T> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> result(values.size());
  for (std::size_t begin = 0, end; begin < order.size(); begin = end) {
    for (end = begin + 1; end < order.size() && values[order[end]] == values[order[begin]];) ++end;
    const double place = static_cast<double>(begin + 1 + end) / 2;
    for (std::size_t i = begin; i < end; ++i) result[order[i]] = place;
  }
  return result;
}

}  // namespace

PairSums& PairSums::operator+=(const PairSums& other) {
  count += other.count;
  x += other.x;
  y += other.y;
  xy += other.xy;
  return *this;
}

double PairSums::covariance() const { return count > 0 ? xy / count - x / count * (y / count) : 0; }

double quantile(std::span<const double> sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - static_cast<double>(below));
}

Estimate bootstrap(std::size_t count, const Statistic& statistic, int resamples, std::uint64_t seed) {
  std::vector<std::size_t> scenes(count);
  std::iota(scenes.begin(), scenes.end(), std::size_t{0});
  Estimate estimate{};
  estimate.value = statistic(scenes);
  std::mt19937_64 random(seed);
  std::vector<double> values;
  for (int i = 0; i < resamples; ++i) {
    for (std::size_t& scene : scenes) scene = static_cast<std::size_t>(random() % count);
    values.push_back(statistic(scenes));
  }
  std::sort(values.begin(), values.end());
  estimate.low = quantile(values, .025);
  estimate.high = quantile(values, .975);
  return estimate;
}

std::vector<double> mean_ranks(const std::vector<std::vector<double>>& figures,
                               const std::vector<bool>& larger_is_better) {
  std::vector<double> ranks(figures.size());
  for (std::size_t c = 0; c < larger_is_better.size(); ++c) {
    std::vector<double> column;
    for (const std::vector<double>& row : figures) column.push_back(larger_is_better[c] ? -row[c] : row[c]);
    const std::vector<double> place = places<double>(column);
    for (std::size_t m = 0; m < ranks.size(); ++m)
      ranks[m] += place[m] / static_cast<double>(larger_is_better.size());
  }
  return ranks;
}

std::vector<double> figure_ranks(const std::vector<metrics::Figures>& methods) {
  std::vector<bool> larger_is_better;
  std::vector<std::vector<double>> figures(methods.size());
  for (const metrics::Column& column : metrics::columns) {
    const std::string_view name = column.name;
    if (name == "PSNR") continue;
    larger_is_better.push_back(name != "MSE" && name != "Nabf");
    for (std::size_t m = 0; m < methods.size(); ++m) figures[m].push_back(methods[m].*column.value);
  }
  return mean_ranks(figures, larger_is_better);
}

std::vector<double> relative_ranks(std::span<const float> values) {
  std::vector<double> result = places(values);
  for (double& place : result) place = (place - .5) / static_cast<double>(values.size());
  return result;
}

}  // namespace digfusion::tools
