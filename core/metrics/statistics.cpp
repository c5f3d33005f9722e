// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/metrics/statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace digfusion::metrics {
namespace {

constexpr int bins = 256;

int bin(double value) { return std::clamp(cvRound(value), 0, bins - 1); }

// Σ -p log p over counts that add up to `total`, nats.
double entropy_of_counts(const std::vector<int>& counts, double total) {
  double sum = 0.0;
  for (const int count : counts) {
    if (count == 0) continue;
    const double p = count / total;
    sum -= p * std::log(p);
  }
  return sum;
}

}  // namespace

double entropy(const cv::Mat& picture) {
  std::vector<int> counts(bins);
  for (int y = 0; y < picture.rows; ++y) {
    const double* row = picture.ptr<double>(y);
    for (int x = 0; x < picture.cols; ++x) ++counts[bin(row[x])];
  }
  return entropy_of_counts(counts, static_cast<double>(picture.total())) / std::log(2.0);
}

double standard_deviation(const cv::Mat& picture) {
  cv::Scalar mean, deviation;
  cv::meanStdDev(picture, mean, deviation);
  return deviation[0];
}

double mutual_information(const cv::Mat& first, const cv::Mat& second) {
  std::vector<int> joint(bins * bins), one(bins), two(bins);
  for (int y = 0; y < first.rows; ++y) {
    const double* p = first.ptr<double>(y);
    const double* q = second.ptr<double>(y);
    for (int x = 0; x < first.cols; ++x) {
      const int i = bin(p[x]), j = bin(q[x]);
      ++joint[i * bins + j];
      ++one[i];
      ++two[j];
    }
  }
  const double total = static_cast<double>(first.total());
  return entropy_of_counts(one, total) + entropy_of_counts(two, total) - entropy_of_counts(joint, total);
}

double mean_squared_error(const cv::Mat& first, const cv::Mat& second) {
  return cv::norm(first, second, cv::NORM_L2SQR) / static_cast<double>(first.total());
}

double peak_signal_to_noise_ratio(double mse) {
  if (mse <= 0.0) return std::numeric_limits<double>::infinity();
  return 10.0 * std::log10(255.0 * 255.0 / mse);
}

double correlation(const cv::Mat& first, const cv::Mat& second) {
  // Means first: E[xy]-E[x]E[y] would lose what little a nearly constant picture holds.
  const double mean_first = cv::mean(first)[0], mean_second = cv::mean(second)[0];
  double xx = 0.0, yy = 0.0, xy = 0.0;
  for (int r = 0; r < first.rows; ++r) {
    const double* p = first.ptr<double>(r);
    const double* q = second.ptr<double>(r);
    for (int c = 0; c < first.cols; ++c) {
      const double dx = p[c] - mean_first, dy = q[c] - mean_second;
      xx += dx * dx;
      yy += dy * dy;
      xy += dx * dy;
    }
  }
  // A constant picture's deviations are rounding errors of its mean, about 255·1e-16 each.
  const double nothing = 1e-20 * static_cast<double>(first.total());
  if (xx <= nothing || yy <= nothing) return 0.0;
  return std::clamp(xy / std::sqrt(xx * yy), -1.0, 1.0);
}

}  // namespace digfusion::metrics
