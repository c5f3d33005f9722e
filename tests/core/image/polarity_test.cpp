// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/polarity.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <opencv2/imgcodecs.hpp>
#include <string>

#include "tests/core/tensors.h"

namespace digfusion {
namespace {

/// A dim street under a cold sky with a few small bright things.
at::Tensor warm_bright_scene(std::uint64_t seed) {
  const at::Tensor picture = random_tensor({1, 1, 96, 128}, seed) * 0.02 - 0.4;
  picture.narrow(2, 0, 32) -= 0.2;
  for (int i = 0; i < 4; ++i) picture.narrow(2, 50 + 7 * i, 8).narrow(3, 10 + 27 * i, 4) = 0.6;
  return picture;
}

TEST(BrightLean, IsTheOppositeForTheNegative) {
  const at::Tensor picture = warm_bright_scene(1);
  EXPECT_GT(bright_lean(picture), 1);
  EXPECT_NEAR(bright_lean(picture), -bright_lean(-picture), 1e-5);
  EXPECT_EQ(bright_lean(at::zeros({1, 1, 16, 16})), 0);
}

TEST(PolarityWatch, TellsBlackHot) {
  PolarityWatch white, black;
  for (int frame = 0; frame < 5; ++frame) {
    EXPECT_FALSE(white.is_black_hot(warm_bright_scene(frame), 0.05));
    EXPECT_TRUE(black.is_black_hot(-warm_bright_scene(frame), 0.05));
  }
}

TEST(PolarityWatch, TakesAnUnclearPictureForWhiteHot) {
  PolarityWatch watch;
  EXPECT_FALSE(watch.is_black_hot(random_tensor({1, 1, 96, 128}, 3) * 0.1, 0.05));
}

TEST(PolarityWatch, ChangesOnlyWhenTheOtherIsClear) {
  PolarityWatch watch;
  ASSERT_TRUE(watch.is_black_hot(-warm_bright_scene(1), 0.05));
  EXPECT_TRUE(watch.is_black_hot(warm_bright_scene(2), 0.05));
  bool is_black_hot = true;
  int frames = 0;
  for (; is_black_hot && frames < 200; ++frames)
    is_black_hot = watch.is_black_hot(warm_bright_scene(3), 0.05);
  EXPECT_GT(frames, 10);
  EXPECT_LT(frames, 100);
}

struct Told {
  int pictures = 0, kept = 0, turned = 0;  ///< white-hot ones left alone, their negatives told black-hot
};

Told told_of(const std::filesystem::path& folder) {
  Told told;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    cv::Mat gray, scaled;
    gray = cv::imread(entry.path().string(), cv::IMREAD_GRAYSCALE);
    if (gray.empty()) continue;
    gray.convertTo(scaled, CV_32F, 2 / 255.0, -1);
    const at::Tensor picture = at::from_blob(scaled.data, {1, 1, scaled.rows, scaled.cols}, at::kFloat);
    ++told.pictures;
    told.kept += !PolarityWatch().is_black_hot(picture, 1);
    told.turned += PolarityWatch().is_black_hot(-picture, 1);
  }
  return told;
}

// Pictures of one instant each, all white-hot. docs/cameras.md has these counts.
TEST(PolarityWatch, TellsMostRealPictures) {
  const char* data = std::getenv("DIGFUSION_TEST_DATA");
  if (!data) GTEST_SKIP() << "DIGFUSION_TEST_DATA isn't set: no real pictures here";
  const std::filesystem::path folder = std::filesystem::path(data) / "data";
  const Told street = told_of(folder / "msrs" / "infrared");
  EXPECT_EQ(street.pictures, 20);
  EXPECT_EQ(street.kept, 20);
  EXPECT_EQ(street.turned, 20);
  const Told field = told_of(folder / "tno" / "infrared");
  EXPECT_EQ(field.pictures, 42);
  EXPECT_EQ(field.kept, 36);
  EXPECT_EQ(field.turned, 24);
}

}  // namespace
}  // namespace digfusion
