// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/noise_estimate.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace digfusion {
namespace {

constexpr double unit = 127.5;
constexpr double gauss_of_mad = 1.4826;  // σ of a normal distribution over the median of its magnitudes

struct Plane {
  const float* first;
  std::int64_t height, width;
  const float* row(std::int64_t y) const { return first + y * width; }
};

double quantile(std::vector<double>& values, double share) {
  const auto nth = values.begin() + std::ptrdiff_t(share * double(values.size() - 1));
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

// --- white noise

constexpr std::int64_t block = 8;

/// Mean magnitude of Immerkær's operator
///      1 -2  1
///     -2  4 -2
///      1 -2  1
/// over a block that starts at (y, x); below 0 where more than a few of its pixels are clipped.
double block_response(const Plane& p, std::int64_t y, std::int64_t x) {
  float sum = 0;
  int clipped = 0;
  for (std::int64_t j = y; j < y + block; ++j) {
    const float *above = p.row(j - 1) + x, *here = p.row(j) + x, *below = p.row(j + 1) + x;
    float column[block + 2];
    for (std::int64_t i = 0; i < block + 2; ++i) column[i] = above[i - 1] - 2 * here[i - 1] + below[i - 1];
    for (std::int64_t i = 0; i < block; ++i) {
      sum += std::abs(column[i] - 2 * column[i + 1] + column[i + 2]);
      clipped += std::abs(here[i]) > 0.999f;
    }
  }
  return clipped > block * block / 16 ? -1 : double(sum) / double(block * block);
}

double white_noise(const Plane& p) {
  // The flattest tenth of the blocks, of which every fourth is looked at. Their mean magnitude is this much
  // below that of all blocks where there is noise alone.
  constexpr double flattest = 0.1, below_all = 0.783;
  std::vector<double> responses;
  const std::int64_t step = p.height * p.width > 64 * 1024 ? 2 * block : block;
  for (std::int64_t y = 1; y + block < p.height; y += step)
    for (std::int64_t x = 1; x + block < p.width; x += step)
      if (const double response = block_response(p, y, x); response >= 0) responses.push_back(response);
  if (responses.empty()) return 0;
  // E|N(0, σ²)| = σ √(2/π); the operator's coefficients have the norm 6.
  return quantile(responses, flattest) / below_all * std::sqrt(M_PI / 2) / 6 * unit;
}

// --- column noise

/// A fourth difference, 1 -4 6 -4 1, along a row from x on: none of smooth structure such as folds and
/// fences.
inline float fourth_difference(const float* x) { return x[0] + x[4] + 6 * x[2] - 4 * (x[1] + x[3]); }

/// Robust mean over rows [begin, end) of each column's fourth difference.
std::vector<double> column_differences(const Plane& p, std::int64_t begin, std::int64_t end, float limit) {
  std::vector<float> sums(std::size_t(p.width - 4));
  for (std::int64_t y = begin; y < end; ++y) {
    const float* row = p.row(y);
    for (std::size_t x = 0; x < sums.size(); ++x)
      sums[x] += std::clamp(fourth_difference(row + x), -limit, limit);
  }
  std::vector<double> means(sums.begin(), sums.end());
  for (double& mean : means) mean /= double(end - begin);
  return means;
}

/// Median magnitude of the fourth differences of every eighth row.
double typical_difference(const Plane& p) {
  std::vector<double> magnitudes;
  for (std::int64_t y = 4; y < p.height; y += 8) {
    const float* row = p.row(y);
    for (std::int64_t x = 0; x + 4 < p.width; x += 3)
      magnitudes.push_back(std::abs(fourth_difference(row + x)));
  }
  return quantile(magnitudes, 0.5);
}

double robust_variance(const std::vector<double>& a, const std::vector<double>& b, double sign) {
  std::vector<double> magnitudes(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) magnitudes[i] = std::abs(a[i] + sign * b[i]);
  const double deviation = gauss_of_mad * quantile(magnitudes, 0.5);
  return deviation * deviation;
}

double column_noise(const Plane& p) {
  // What the upper and the lower half have in common is the column's: the covariance, robustly (Gnanadesikan
  // and Kettenring, Biometrics 28, 1972). White noise and what stands in one half alone cancel.
  const auto limit = static_cast<float>(2 * gauss_of_mad * typical_difference(p) + 1e-3 / unit);
  const std::vector<double> upper = column_differences(p, 0, p.height / 2, limit),
                            lower = column_differences(p, p.height / 2, p.height, limit);
  const double sum = robust_variance(upper, lower, 1), difference = robust_variance(upper, lower, -1);
  constexpr double norm = 70;  // of the fourth difference, squared
  const double variance = (sum - difference) / 4 / norm, uncertain = 0.25 * (difference / 2 / norm);
  return variance > uncertain ? std::sqrt(variance) * unit : 0;
}

/// What stands out of `least`, without a jump.
double above(double level, double least) { return std::sqrt(std::max(level * level - least * least, 0.0)); }

}  // namespace

double NoiseLevel::total() const { return std::hypot(white, column); }

NoiseLevel estimate_noise(const at::Tensor& picture) {
  const at::Tensor dense = picture.to(at::kCPU, at::kFloat).contiguous();
  const Plane plane{dense.const_data_ptr<float>(), dense.size(-2), dense.size(-1)};
  if (plane.height < 16 || plane.width < 16) return {};
  return {above(white_noise(plane), least_white_noise), above(column_noise(plane), least_column_noise)};
}

}  // namespace digfusion
