// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/gain_control.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace digfusion {
namespace {

constexpr double dead_band = 0.02;      // of the range
constexpr double cut_share = 1.0 / 3;   // of the picture
constexpr double plateau = 2;           // of the mean density
constexpr int smoothing_windows = 256;  // in the range

std::uint64_t count_of(const Histogram& histogram) {
  return std::accumulate(histogram.begin(), histogram.end(), std::uint64_t{0});
}

double outside_share(const Histogram& histogram, RawLimits limits) {
  std::uint64_t outside = 0, all = 0;
  for (int v = 0; v < raw_values; ++v) {
    all += histogram[v];
    if (v < limits.low || v > limits.high) outside += histogram[v];
  }
  return all ? double(outside) / double(all) : 0;
}

/// What is left of a change when the dead band is taken off.
double beyond(double change, double band) {
  return change > band ? change - band : change < -band ? change + band : 0;
}

}  // namespace

RawLimits percentile_limits(const Histogram& histogram) {
  const double tail = tail_share * double(count_of(histogram));
  int low = 0, high = raw_values - 1;
  for (std::uint64_t below = histogram[low]; low < high && double(below) <= tail;) below += histogram[++low];
  for (std::uint64_t above = histogram[high]; high > low && double(above) <= tail;)
    above += histogram[--high];
  const double lacking = std::max(0.0, narrowest_range - (high - low));
  return {low - lacking / 2, high + lacking / 2};
}

Curve linear_curve(RawLimits limits) {
  const double gain = 2 / (limits.high - limits.low);
  Curve curve(raw_values);
  for (int v = 0; v < raw_values; ++v)
    curve[v] = static_cast<float>(std::clamp((v - limits.low) * gain - 1, -1.0, 1.0));
  return curve;
}

Curve plateau_curve(const Histogram& histogram, RawLimits limits) {
  const int low = std::max(0, int(std::ceil(limits.low)));
  const int high = std::min(raw_values - 1, int(std::floor(limits.high)));
  const int values = high - low + 1, radius = values / smoothing_windows / 2;
  std::vector<std::uint64_t> sum(values + 1);  // of the histogram below
  for (int i = 0; i < values; ++i) sum[i + 1] = sum[i] + histogram[low + i];
  std::vector<double> density(values);
  for (int i = 0; i < values; ++i) {
    const int first = std::max(0, i - radius), last = std::min(values, i + radius + 1);
    density[i] = double(sum[last] - sum[first]) / (last - first);
  }
  const double all = std::accumulate(density.begin(), density.end(), 0.0);
  if (!(all > 0)) return linear_curve(limits);
  double clipped = 0;
  for (double& d : density) {
    const double most = plateau * all / values;
    clipped += std::max(0.0, d - most);
    d = std::min(d, most);
  }
  Curve curve(raw_values, -1.0f);
  double below = 0;
  for (int i = 0; i < values; ++i) {
    const double share = (density[i] + clipped / values) / all;
    curve[low + i] = static_cast<float>(2 * (below + share / 2) - 1);
    below += share;
  }
  std::fill(curve.begin() + high + 1, curve.end(), 1.0f);
  return curve;
}

Curve range_curve(const ThermalRange& range, const Radiometry& radiometry) {
  const double gain = 2 / (range.high - range.low);
  Curve curve(raw_values);
  for (int v = 0; v < raw_values; ++v) {
    const double value = range.unit == ThermalRange::Unit::celsius ? radiometry.celsius(v) : v;
    curve[v] = static_cast<float>(std::clamp((value - range.low) * gain - 1, -1.0, 1.0));
  }
  return curve;
}

const Curve& GainFollower::follow(const Histogram& histogram, GainControl mode, double adaptation) {
  const RawLimits wanted = percentile_limits(histogram);
  const bool anew =
      !limits_ || mode != mode_ || adaptation >= 1 || outside_share(histogram, *limits_) > cut_share;
  if (anew) {
    limits_ = wanted;
  } else {
    const double band = dead_band * (limits_->high - limits_->low);
    limits_->low += adaptation * beyond(wanted.low - limits_->low, band);
    limits_->high += adaptation * beyond(wanted.high - limits_->high, band);
  }
  mode_ = mode;
  if (mode != GainControl::plateau) {
    curve_ = std::make_shared<const Curve>(linear_curve(*limits_));
    return *curve_;
  }
  Curve curve = plateau_curve(histogram, wanted);
  if (!anew) {
    const float share = static_cast<float>(adaptation), band = static_cast<float>(2 * dead_band);
    for (int v = 0; v < raw_values; ++v) {
      const float change = curve[v] - (*curve_)[v];
      curve[v] = (*curve_)[v] + share * (change - std::clamp(change, -band, band));
    }
  }
  curve_ = std::make_shared<const Curve>(std::move(curve));
  return *curve_;
}

}  // namespace digfusion
