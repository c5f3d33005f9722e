// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/clock.h"

#include <cmath>

namespace digfusion {
namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t longest_gap = 5 * second;  // after it nobody knows how many pictures were lost
constexpr std::size_t fewest_buckets = 10, most_buckets = 120;
constexpr double smoothing = 1.0 / 8;

}  // namespace

void RateEstimate::begin(std::int64_t time, double interval) {
  restart();
  interval_ = interval;
  first_ = last_ = bucket_start_ = time;
}

void RateEstimate::add(std::int64_t time, double interval) {
  if (interval <= 0) return restart();
  if (interval != interval_ || time < last_ || time - last_ > longest_gap) return begin(time, interval);
  last_ = time;
  const auto since = static_cast<double>(time - first_);
  const double place = std::round((since - phase_) / interval_) * interval_;
  const double residual = since - place;
  phase_ += smoothing * (residual - phase_);
  time_sum_ += since;
  residual_sum_ += residual;
  ++in_bucket_;
  if (time - bucket_start_ < second) return;
  buckets_.push_back({time_sum_ / in_bucket_, residual_sum_ / in_bucket_});
  if (buckets_.size() > most_buckets) buckets_.pop_front();
  bucket_start_ = time;
  time_sum_ = residual_sum_ = 0;
  in_bucket_ = 0;
}

std::optional<double> RateEstimate::ppm() const {
  if (buckets_.size() < fewest_buckets) return {};
  double time = 0, residual = 0;
  for (const Bucket& bucket : buckets_) {
    time += bucket.time / static_cast<double>(buckets_.size());
    residual += bucket.residual / static_cast<double>(buckets_.size());
  }
  double covariance = 0, variance = 0;
  for (const Bucket& bucket : buckets_) {
    covariance += (bucket.time - time) * (bucket.residual - residual);
    variance += (bucket.time - time) * (bucket.time - time);
  }
  const double late = covariance / variance;  // of the time that has really passed
  return 1e6 * late / (1 - late);
}

std::optional<std::int64_t> OffsetEstimate::median() const {
  if (recent_.size() == 0) return {};
  return recent_.ranked(recent_.size() / 2);
}

}  // namespace digfusion
