// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/fuse_colour.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

namespace digfusion::tools {
namespace {

cv::Mat random_picture(int seed, int type, cv::Size size = {20, 16}) {
  cv::RNG random(static_cast<std::uint64_t>(seed) + 1);
  cv::Mat picture(size, type);
  random.fill(picture, cv::RNG::UNIFORM, 0, picture.depth() == CV_16U ? 65536 : 256);
  return picture;
}

/// Y', Cb, Cr on 0..1 and ±.5 of an 8-bit BGR pixel.
struct Colour {
  double y, cb, cr;
};
Colour colour_of(const cv::Vec3b& p) {
  const double b = p[0] / 255.0, g = p[1] / 255.0, r = p[2] / 255.0;
  const double y = .299 * r + .587 * g + .114 * b;
  return {y, (b - y) * .564, (r - y) * .713};
}

TEST(FuseColour, WeighsChromaByItsDistanceFromNeutral) {
  const std::array pictures{random_picture(1, CV_8UC3), random_picture(2, CV_8UC3),
                            random_picture(3, CV_8UC3)};
  const cv::Mat chroma = fuse_chroma(pictures);
  ASSERT_EQ(chroma.type(), CV_32FC2);
  for (int y = 0; y < chroma.rows; ++y)
    for (int x = 0; x < chroma.cols; ++x) {
      double sum[2] = {}, weight[2] = {};
      for (const cv::Mat& picture : pictures) {
        const Colour c = colour_of(picture.at<cv::Vec3b>(y, x));
        const double values[] = {c.cb, c.cr};
        for (int i = 0; i < 2; ++i)
          sum[i] += std::abs(values[i]) * values[i], weight[i] += std::abs(values[i]);
      }
      for (int i = 0; i < 2; ++i)
        ASSERT_NEAR(chroma.at<cv::Vec2f>(y, x)[i], sum[i] / weight[i], 1e-4) << x << " " << y;
    }
}

TEST(FuseColour, ANeutralPictureHasNoSay) {
  const cv::Mat colour = random_picture(1, CV_8UC3), gray = random_picture(2, CV_8UC1);
  cv::Mat neutral;
  cv::merge(std::vector<cv::Mat>{gray, gray, gray}, neutral);
  const cv::Mat alone = fuse_chroma(std::array{colour});
  EXPECT_LT(cv::norm(fuse_chroma(std::array{gray, colour}), alone, cv::NORM_INF), 1e-6);
  EXPECT_LT(cv::norm(fuse_chroma(std::array{neutral, colour}), alone, cv::NORM_INF), 1e-3);
  EXPECT_TRUE(fuse_chroma(std::array{gray, gray}).empty());
  EXPECT_LT(cv::norm(fuse_chroma(std::array{neutral, neutral}), cv::NORM_INF), 1e-3);
}

TEST(FuseColour, ComesBackFromItsParts) {
  for (const int type : {CV_8UC1, CV_8UC3, CV_8UC4, CV_16UC1, CV_16UC3, CV_16UC4}) {
    const cv::Mat picture = random_picture(type, type);
    const cv::Mat luma = deep_luma(picture);
    ASSERT_EQ(luma.type(), CV_16UC1);
    const cv::Mat back = join_colour(luma, fuse_chroma(std::array{picture}), picture);
    ASSERT_EQ(back.type(), picture.type());
    // Its weights have three decimals.
    EXPECT_LE(cv::norm(back, picture, cv::NORM_INF), CV_MAT_DEPTH(type) == CV_16U ? 40 : 1) << type;
  }
}

TEST(FuseColour, LumaOfEightBitsIsExactInSixteen) {
  const cv::Mat gray = random_picture(1, CV_8UC1), colour = random_picture(2, CV_8UC3);
  const cv::Mat deep_gray = deep_luma(gray), deep_colour = deep_luma(colour);
  for (int y = 0; y < gray.rows; ++y)
    for (int x = 0; x < gray.cols; ++x) {
      ASSERT_EQ(deep_gray.at<std::uint16_t>(y, x), gray.at<std::uint8_t>(y, x) * 257);
      ASSERT_NEAR(deep_colour.at<std::uint16_t>(y, x), colour_of(colour.at<cv::Vec3b>(y, x)).y * 65535, 1.0);
    }
}

TEST(FuseColour, AGrayPictureTakesTheColourOfAnother) {
  const cv::Mat gray = random_picture(1, CV_8UC1), colour = random_picture(2, CV_8UC3);
  const cv::Mat joined = join_colour(deep_luma(gray), fuse_chroma(std::array{gray, colour}), gray);
  EXPECT_EQ(joined.type(), CV_8UC3);
}

}  // namespace
}  // namespace digfusion::tools
