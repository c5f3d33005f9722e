// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the paper's experiments compute on numbers: moments over pixels, and bootstrap intervals over
// pictures. Neither torch nor pictures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/metrics/metrics.h"

namespace digfusion::tools {

/// Sums over pixels of two quantities, from which their covariance follows, for one scene or many.
struct PairSums {
  double count = 0, x = 0, y = 0, xy = 0;

  void add(double a, double b) {
    ++count;
    x += a;
    y += b;
    xy += a * b;
  }
  PairSums& operator+=(const PairSums& other);
  /// Population covariance; 0 of nothing.
  double covariance() const;
};

/// A value with the interval that holds it in 95 of 100 cases.
struct Estimate {
  double value, low, high;
  bool above_zero() const { return low > 0; }
  bool below_zero() const { return high < 0; }
};

/// A number computed of some scenes, which are given by index; one that is named twice counts twice.
using Statistic = std::function<double(std::span<const std::size_t> scenes)>;

/// The statistic of scenes 0..count-1, and the 2.5th and 97.5th percentile of it over `resamples` draws of
/// `count` scenes with replacement (Efron's percentile bootstrap). The same seed gives the same interval
/// everywhere. count ≥ 1; with one scene the interval is the value.
Estimate bootstrap(std::size_t count, const Statistic& statistic, int resamples = 2000,
                   std::uint64_t seed = 1);

/// The value below which a share of 0..1 of `sorted` (rising, not empty) lies, with linear interpolation.
double quantile(std::span<const double> sorted, double share);

/// Mean ranks of methods: ranks[m] is the mean over the columns of m's place (1 is the best; equal values
/// share the mean of their places). figures[m][c]; `larger_is_better` has as many entries as there are
/// columns.
std::vector<double> mean_ranks(const std::vector<std::vector<double>>& figures,
                               const std::vector<bool>& larger_is_better);

/// mean_ranks() over 13 figures: all of metrics::columns but PSNR, which MSE tells already.
std::vector<double> figure_ranks(const std::vector<metrics::Figures>& methods);

/// 0..1 for each value: its place among all, (place - ½)/count with places from 1 on, ties sharing their
/// mean.
std::vector<double> relative_ranks(std::span<const float> values);

}  // namespace digfusion::tools
