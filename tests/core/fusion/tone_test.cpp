// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/tone.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/core/tensors.h"

namespace digfusion {
namespace {

/// The share-th of the sorted values, between neighbours in proportion.
double percentile(const at::Tensor& picture, double share) {
  std::vector<double> sorted = numbers(picture);
  std::sort(sorted.begin(), sorted.end());
  const double place = share * double(sorted.size() - 1);
  const auto i = std::size_t(place);
  return sorted[i] + (place - double(i)) * (sorted[std::min(i + 1, sorted.size() - 1)] - sorted[i]);
}

TEST(Tone, StretchesToTheFullRangeWhereTheLimitAllows) {
  const at::Tensor flat = random_pictures(1, 40, 50, 1) * 0.4 + 0.3;
  const at::Tensor stretched = stretch_contrast(flat, 8);
  EXPECT_NEAR(percentile(stretched, 0.01), -0.95, 1e-4);
  EXPECT_NEAR(percentile(stretched, 0.99), 0.95, 1e-4);
  // Linear: what was in order stays so.
  const double gain = 1.9 / (percentile(flat, 0.99) - percentile(flat, 0.01));
  EXPECT_TRUE(at::allclose(stretched - stretched.mean(), (flat - flat.mean()) * gain, 0, 1e-4));
}

TEST(Tone, KeepsToItsLimitAndMovesNoFurtherThanItMust) {
  const at::Tensor dark = random_pictures(1, 40, 50, 1) * 0.1 - 0.6;  // -.7 to -.5
  const double middle = (percentile(dark, 0.01) + percentile(dark, 0.99)) / 2;
  EXPECT_TRUE(at::allclose(stretch_contrast(dark, 2), (dark - middle) * 2 + middle, 0, 1e-5));
  const at::Tensor darker = dark - 0.3;  // its lower end would jut out
  const at::Tensor stretched = stretch_contrast(darker, 2);
  EXPECT_NEAR(percentile(stretched, 0.01), -0.95, 1e-4);
  EXPECT_NEAR(stretched.std().item<double>(), 2 * dark.std().item<double>(), 1e-4);
}

TEST(Tone, LeavesAFullRangeAndAFlatPictureAlone) {
  const at::Tensor full = at::linspace(-1, 1, 2000).view({1, 1, 40, 50});
  EXPECT_TRUE(at::allclose(stretch_contrast(full, 3), full, 0, 0.05));
  EXPECT_NEAR(stretch_contrast(full, 3).std().item<double>(), full.std().item<double>(), 1e-4);
  const at::Tensor flat = at::full({1, 1, 20, 20}, 0.3);
  EXPECT_TRUE(at::allclose(stretch_contrast(flat, 3), flat, 0, 1e-5));
}

}  // namespace
}  // namespace digfusion
