// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A denoiser without weights that the twins compute as well, and what joins tensors and the twins' maps.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/denoiser/denoiser.h"
#include "core/fusion/information_gain.h"
#include "tests/core/fusion/twins.h"
#include "tests/core/tensors.h"

namespace digfusion {

/// twins::predicted_noise() and predicted_place() on tensors; remembers how it was called.
class FakeDenoiser : public Denoiser {
 public:
  at::Tensor predict_noise(const at::Tensor& xt, std::span<const int> t) const override {
    EXPECT_EQ(xt.size(0), std::int64_t(t.size()));
    batches.push_back(int(t.size()));
    std::vector<at::Tensor> results;
    for (std::size_t i = 0; i < t.size(); ++i) {
      const at::Tensor x = xt.narrow(0, std::int64_t(i), 1);
      const double s = std::sqrt(1 - schedule_.alpha_bar.at(std::size_t(t[i])));
      results.push_back((x + at::sin(x * 2) * 0.3) * s + 0.05);
    }
    return at::cat(results);
  }
  Prediction predict(const at::Tensor& xt, std::span<const int> t) const override {
    return {predict_noise(xt, t), at::sin(xt)};
  }
  bool learns_variance() const override { return true; }
  const NoiseSchedule& schedule() const override { return schedule_; }
  std::int64_t multiple() const override { return 8; }
  double multiply_adds(std::int64_t, std::int64_t) const override { return 0; }

  mutable std::vector<int> batches;  ///< pictures in each call

 private:
  NoiseSchedule schedule_ = linear_schedule();
};

inline at::Tensor fake_noise(std::int64_t number, std::int64_t height, std::int64_t width) {
  return random_tensor({1, 1, height, width}, std::uint64_t(number) * 77 + 5);
}

inline twins::Noise twin_noise(int height, int width) {
  return [=](long long number) {
    twins::Map map(height, width);
    map.value = numbers(fake_noise(number, height, width));
    return map;
  };
}

/// [K,1,H,W] as K maps.
inline twins::Maps maps_of(const at::Tensor& tensor) {
  twins::Maps maps;
  for (std::int64_t k = 0; k < tensor.size(0); ++k) {
    maps.emplace_back(int(tensor.size(2)), int(tensor.size(3)));
    maps.back().value = numbers(tensor[k]);
  }
  return maps;
}

inline void expect_maps_near(const at::Tensor& tensor, const twins::Maps& expected, double tolerance) {
  ASSERT_EQ(tensor.size(0), std::int64_t(expected.size()));
  for (std::size_t k = 0; k < expected.size(); ++k) {
    const std::vector<double> value = numbers(tensor[std::int64_t(k)]);
    ASSERT_EQ(value.size(), expected[k].value.size());
    for (std::size_t i = 0; i < value.size(); ++i)
      ASSERT_NEAR(value[i], expected[k].value[i], tolerance) << "source " << k << ", pixel " << i;
  }
}

}  // namespace digfusion
