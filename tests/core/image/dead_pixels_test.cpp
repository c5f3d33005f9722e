// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/dead_pixels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/core/tensors.h"

namespace digfusion {
namespace {

constexpr std::int64_t height = 40, width = 50;

/// Raw values: a smooth scene with the noise of a sensor.
at::Tensor scene(std::uint64_t seed) {
  const at::Tensor smooth =
      at::upsample_bilinear2d(random_tensor({1, 1, 5, 5}, 1), {height, width}, false) * 40 + 30000;
  return (smooth + random_tensor({1, 1, height, width}, seed) * 5).round();
}

float& at_place(const at::Tensor& picture, std::int64_t x, std::int64_t y) {
  return picture.data_ptr<float>()[y * picture.size(3) + x];
}

float median_around(const at::Tensor& picture, std::int64_t x, std::int64_t y) {
  std::vector<float> values;
  for (std::int64_t j = y - 1; j <= y + 1; ++j)
    for (std::int64_t i = x - 1; i <= x + 1; ++i)
      if ((i != x || j != y) && i >= 0 && j >= 0 && i < width && j < height)
        values.push_back(at_place(picture, i, j));
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

TEST(DeadPixels, ThatAreFarOffAreReplacedInTheFirstPicture) {
  const at::Tensor clean = scene(2), picture = clean.clone();
  const std::pair<int, int> places[] = {{10, 10}, {0, 0}, {49, 39}, {25, 0}, {0, 20}, {30, 39}, {20, 30}};
  for (const auto& [x, y] : places) at_place(picture, x, y) = (x + y) % 20 == 0 ? 65535.0f : 0.0f;
  DeadPixelFilter filter;
  const at::Tensor corrected = filter.correct(picture);
  for (const auto& [x, y] : places) {
    EXPECT_EQ(at_place(corrected, x, y), median_around(picture, x, y)) << x << ", " << y;
    at_place(corrected, x, y) = at_place(clean, x, y);
  }
  EXPECT_TRUE(at::equal(corrected, clean)) << "another pixel has changed";
}

TEST(DeadPixels, ThatStandOutALittleAreReplacedAfterTenPictures) {
  DeadPixelFilter filter;
  for (int frame = 1; frame <= 12; ++frame) {
    const at::Tensor picture = scene(10 + frame);
    // Beyond its neighbours, but nowhere near as far as the test of a single picture asks for.
    float highest = 0;
    for (int j = 19; j <= 21; ++j)
      for (int i = 14; i <= 16; ++i)
        if (i != 15 || j != 20) highest = std::max(highest, at_place(picture, i, j));
    at_place(picture, 15, 20) = highest + 40;
    const at::Tensor corrected = filter.correct(picture);
    if (frame < 10)
      EXPECT_EQ(at_place(corrected, 15, 20), highest + 40) << frame;
    else
      EXPECT_EQ(at_place(corrected, 15, 20), median_around(picture, 15, 20)) << frame;
    EXPECT_LE((corrected != picture).sum().item<int>(), 1) << frame;
  }
}

TEST(DeadPixels, ComeBackWhenTheyLive) {
  DeadPixelFilter filter;
  const at::Tensor clean = scene(2);
  for (int frame = 0; frame < 30; ++frame) {
    const at::Tensor picture = scene(3 + frame % 2);
    at_place(picture, 15, 20) = 31500;
    (void)filter.correct(picture);
  }
  int corrected = 0;
  for (int frame = 0; frame < 30; ++frame) {
    const at::Tensor picture = scene(50 + frame);
    corrected += at::equal(filter.correct(picture), picture) ? 0 : 1;
  }
  EXPECT_GT(corrected, 0);
  EXPECT_LE(corrected, 12);
}

TEST(DeadPixels, ARepeatedPictureIsNoFurtherEvidence) {
  DeadPixelFilter filter;
  const at::Tensor picture = scene(4);
  float highest = 0;
  for (int j = 19; j <= 21; ++j)
    for (int i = 14; i <= 16; ++i)
      if (i != 15 || j != 20) highest = std::max(highest, at_place(picture, i, j));
  at_place(picture, 15, 20) = highest + 40;
  for (int repeat = 0; repeat < 30; ++repeat)
    ASSERT_TRUE(at::equal(filter.correct(picture.clone()), picture)) << repeat;
}

TEST(DeadPixels, ACleanSceneIsLeftAlone) {
  DeadPixelFilter filter;
  for (int frame = 0; frame < 30; ++frame) {
    const at::Tensor picture = scene(100 + frame);
    ASSERT_TRUE(at::equal(filter.correct(picture), picture)) << frame;
  }
}

TEST(DeadPixels, ATargetOfTwoPixelsStays) {
  DeadPixelFilter filter;
  for (int frame = 0; frame < 30; ++frame) {
    const at::Tensor picture = scene(200 + frame);
    at_place(picture, 15, 20) = at_place(picture, 16, 20) = 34000;
    ASSERT_TRUE(at::equal(filter.correct(picture), picture)) << frame;
  }
}

TEST(DeadPixels, APictureOfAnotherSizeBeginsAnew) {
  DeadPixelFilter filter;
  (void)filter.correct(scene(1));
  const at::Tensor smaller = scene(2).narrow(2, 0, 20).contiguous();
  EXPECT_TRUE(at::equal(filter.correct(smaller), smaller));
}

/// The rule pixel by pixel, with the difference that is usual given.
class Plainly {
 public:
  at::Tensor correct(const at::Tensor& picture, double usual) {
    at::Tensor corrected = picture.clone();
    for (std::int64_t y = 0; y < height; ++y)
      for (std::int64_t x = 0; x < width; ++x) {
        double low = HUGE_VAL, high = -HUGE_VAL;
        for (std::int64_t j = std::max<std::int64_t>(y - 1, 0); j <= std::min(y + 1, height - 1); ++j)
          for (std::int64_t i = std::max<std::int64_t>(x - 1, 0); i <= std::min(x + 1, width - 1); ++i)
            if (i != x || j != y) {
              low = std::min(low, double(at_place(picture, i, j)));
              high = std::max(high, double(at_place(picture, i, j)));
            }
        const double value = at_place(picture, x, y), excess = std::max(value - high, low - value);
        int& score = score_[std::size_t(y * width + x)];
        score =
            excess > (high - low) / 2 && excess > usual ? std::min(score + 1, 20) : std::max(score - 1, 0);
        if (score >= 10 || (excess > 2 * (high - low) && excess > 8 * usual))
          at_place(corrected, x, y) = median_around(picture, x, y);
      }
    return corrected;
  }

 private:
  std::vector<int> score_ = std::vector<int>(std::size_t(width * height));
};

/// Of all pairs, since there are fewer than the filter looks at.
double usual_difference(const at::Tensor& picture) {
  std::vector<float> steps, values;
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x + 1 < width; ++x) {
      values.push_back(at_place(picture, x, y));
      steps.push_back(std::abs(at_place(picture, x + 1, y) - at_place(picture, x, y)));
    }
  std::sort(steps.begin(), steps.end());
  std::sort(values.begin(), values.end());
  const auto quantile = [](const std::vector<float>& of, double share) {
    return of[std::size_t(share * double(of.size() - 1))];
  };
  return std::max(quantile(steps, .9), (quantile(values, .99) - quantile(values, .01)) / 256);
}

TEST(DeadPixels, AreThoseOfTheRuleInEveryPlaceAndPicture) {
  DeadPixelFilter filter;
  Plainly plainly;
  const at::Tensor offsets = random_tensor({1, 1, height, width}, 9);
  int changed = 0;
  for (int frame = 0; frame < 40; ++frame) {
    // A twentieth of the pixels stand out, by as much as keeps them at the rule's edge.
    const at::Tensor picture =
        (scene(300 + frame) + at::where(offsets.abs() > 2, offsets * (12 + 2 * (frame % 9)), 0))
            .round()
            .contiguous();
    const at::Tensor expected = plainly.correct(picture, usual_difference(picture));
    ASSERT_TRUE(at::equal(filter.correct(picture), expected)) << frame;
    changed += (expected != picture).sum().item<int>();
  }
  EXPECT_GT(changed, 400);
}

TEST(DeadPixels, AreFoundInAnEvenPicture) {
  const at::Tensor even = at::full({1, 1, height, width}, 128.0f);
  at_place(even, 7, 8) = 255;
  DeadPixelFilter filter;
  EXPECT_TRUE(at::equal(filter.correct(even), at::full_like(even, 128.0f)));
}

}  // namespace
}  // namespace digfusion
