// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/noise_levels.h"

#include <algorithm>
#include <cmath>
#include <variant>

namespace digfusion {
namespace {

/// A found level beyond this many times the mean, or below it, is another one, not an error of the estimate.
constexpr double jump = 1.5;

/// Found noise up to `from` isn't seen, and taking it away costs texture; all of it is taken away from
/// `full`.
struct Worth {
  double from, full;
  double of(double found) const { return found * std::clamp((found - from) / (full - from), 0.0, 1.0); }
};
constexpr Worth white_worth{3, 5}, column_worth{4, 6};

double mean_level(double mean, double found, double share) {
  const bool jumps =
      std::max(mean, found) > jump * std::min(mean, found) && std::abs(mean - found) > least_white_noise;
  return jumps ? found : std::sqrt((1 - share) * mean * mean + share * found * found);
}

}  // namespace

std::vector<NoiseLevel> NoiseLevels::of(const at::Tensor& sources, const Parameters& p) {
  const NoiseSetting setting = std::get<NoiseSetting>(parse_noise(p.noise.view()));
  const auto count = std::size_t(sources.size(0));
  const bool is_first = means_.size() != count;
  if (is_first) means_.assign(count, {});
  std::vector<NoiseLevel> levels;
  for (std::size_t k = 0; k < count; ++k) {
    const NoiseSetting::Source& given = setting.of(k);
    NoiseLevel& mean = means_[k];
    if (given.automatic) {
      const NoiseLevel found = estimate_noise(sources[std::int64_t(k)]);
      const double share = is_first ? 1 : p.adaptation;
      mean = {mean_level(mean.white, found.white, share), mean_level(mean.column, found.column, share)};
      levels.push_back({white_worth.of(mean.white), column_worth.of(mean.column)});
    } else {
      mean = {given.white, given.column};
      levels.push_back(mean);
    }
  }
  return levels;
}

}  // namespace digfusion
