// SPDX-License-Identifier: LGPL-2.1-or-later
//
// From a thermal camera's raw values to gray: a curve for each picture that follows the scene without
// breathing. Knows no pictures, only their histograms.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/parameters/parameters.h"
#include "core/parameters/radiometry.h"

namespace digfusion {

inline constexpr int raw_values = 65536;

/// Pixels by raw value, raw_values of them.
using Histogram = std::vector<std::uint32_t>;
/// Gray on -1..1 by raw value, raw_values of them.
using Curve = std::vector<float>;

/// A range of raw values, low < high.
struct RawLimits {
  double low, high;
};

/// The range that leaves half a per cent of the pixels on either side, but no narrower than
/// `narrowest_range`, around its middle: the noise of an even wall isn't stretched to the full contrast.
RawLimits percentile_limits(const Histogram& histogram);
constexpr double tail_share = 0.005, narrowest_range = 64;

/// Straight from -1 at low to 1 at high, constant beyond.
Curve linear_curve(RawLimits limits);

/// Plateau equalisation (as thermal cameras do it: V. E. Vickers, "Plateau equalization algorithm for
/// real-time display of high-quality infrared imagery", Opt. Eng. 35, 1996). Between the percentile limits
/// the curve is the cumulative sum of the histogram, smoothed over a 256th of the range and clipped at twice
/// its mean; what is clipped goes to all values alike. So it rises everywhere and nowhere more than three
/// times as fast as the line does.
Curve plateau_curve(const Histogram& histogram, RawLimits limits);

/// From -1 at range.low to 1 at range.high, straight by raw value or by temperature, constant beyond. `range`
/// isn't automatic.
Curve range_curve(const ThermalRange& range, const Radiometry& radiometry);

/// One stream's curve over time. A value: copies share curves that nobody writes to.
class GainFollower {
 public:
  /// The curve for the picture of this histogram; `mode` is percentile or plateau. What the scene asks for is
  /// approached by `adaptation` (0..1) of the way with each picture, and changes within a dead band (2 % of
  /// the range, or of the gray scale for plateau) are let be. It takes over at once for the first picture,
  /// with adaptation 1, after a change of mode, and at a cut: where more than a third of the picture lies
  /// outside of the range so far (another scene, a camera that has recalibrated).
  const Curve& follow(const Histogram& histogram, GainControl mode, double adaptation);

  /// Of the linear stretch; of no use before the first follow().
  RawLimits limits() const { return limits_.value_or(RawLimits{0, raw_values - 1}); }

 private:
  std::optional<RawLimits> limits_;
  GainControl mode_ = GainControl::percentile;
  std::shared_ptr<const Curve> curve_;
};

}  // namespace digfusion
