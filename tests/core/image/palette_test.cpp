// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/palette.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "tests/core/tensors.h"

namespace digfusion {
namespace {

constexpr Palette all[] = {Palette::iron, Palette::lava, Palette::rainbow, Palette::turbo, Palette::arctic};

TEST(Palette, IsOpenCvsWhereItHasOne) {
  for (const auto& [palette, map] : {std::pair{Palette::lava, cv::COLORMAP_HOT},
                                     {Palette::rainbow, cv::COLORMAP_JET},
                                     {Palette::turbo, cv::COLORMAP_TURBO}})
    for (int i = 0; i < 256; ++i) {
      cv::Mat colour;
      cv::applyColorMap(cv::Mat(1, 1, CV_8U, cv::Scalar(i)), colour, map);
      const auto& bgr = colour.at<cv::Vec3b>(0, 0);
      ASSERT_EQ(palette_table(palette)[std::size_t(i)], (Rgb{bgr[2], bgr[1], bgr[0]})) << i;
    }
}

TEST(Palette, IronGoesFromBlackThroughVioletAndOrangeToWhite) {
  const PaletteTable& iron = palette_table(Palette::iron);
  EXPECT_EQ(iron[0], (Rgb{0, 0, 0}));
  EXPECT_EQ(iron[255], (Rgb{255, 255, 255}));
  const Rgb violet = iron[90], orange = iron[184];
  EXPECT_TRUE(violet[2] > violet[0] && violet[0] > violet[1]);
  EXPECT_TRUE(orange[0] > orange[1] && orange[1] > orange[2]);
  double before = -1;  // brighter with every step, as a picture is that shows heat
  for (const Rgb& colour : iron) {
    const double luma = .299 * colour[0] + .587 * colour[1] + .114 * colour[2];
    EXPECT_GE(luma, before - .5);
    before = luma;
  }
}

TEST(Palette, ArcticIsGrayInItsMiddle) {
  const PaletteTable& arctic = palette_table(Palette::arctic);
  EXPECT_GT(arctic[20][2], arctic[20][0] + 50);
  EXPECT_NEAR(arctic[127][0], arctic[127][2], 3);
  EXPECT_GT(arctic[235][0], arctic[235][2] + 50);
}

TEST(Palette, ColoursAreTheTablesAndStraightBetween) {
  for (const Palette palette : all) {
    std::vector<float> gray;
    for (int i = 0; i < 511; ++i) gray.push_back(float(i) / 255 - 1);
    const std::vector<double> colours =
        numbers(palette_colours(at::tensor(gray).view({1, 1, 1, 511}), palette));
    for (int i = 0; i < 511; ++i)
      for (int c = 0; c < 3; ++c) {
        const auto entry = [&](int n) {
          return double(palette_table(palette)[std::size_t(n)][std::size_t(c)]);
        };
        const double expected = i % 2 == 0 ? entry(i / 2) : (entry(i / 2) + entry(i / 2 + 1)) / 2;
        ASSERT_NEAR((colours[std::size_t(c * 511 + i)] + 1) * 127.5, expected, 1e-2) << i;
      }
  }
}

TEST(Palette, ChromaIsNeverThatOfWhite) {
  for (const Palette palette : all) {
    const std::vector<double> hottest = numbers(palette_chroma(at::ones({1, 1, 1, 1}), palette));
    const auto [low, high] = std::minmax_element(hottest.begin(), hottest.end());
    EXPECT_GT(*high - *low, 0.8) << int(palette);
  }
}

/// As the header says it, in float64 and pixel by pixel.
std::vector<double> plain_prominence(const std::vector<double>& picture, int width, int height) {
  const double sigma = std::min(width, height) / 4.0;
  std::vector<double> share;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      double sum = 0, weight = 0;
      for (int v = -2 * height; v < 3 * height; ++v)
        for (int u = -2 * width; u < 3 * width; ++u) {
          const double distance = (u - x) * (u - x) + (v - y) * (v - y);
          if (distance > 16 * sigma * sigma) continue;
          const double w = std::exp(-distance / (2 * sigma * sigma));
          const auto mirrored = [](int at, int side) {
            const int period = ((at % (2 * side)) + 2 * side) % (2 * side);
            return period < side ? period : 2 * side - 1 - period;
          };
          sum += w * picture[std::size_t(mirrored(v, height) * width + mirrored(u, width))];
          weight += w;
        }
      const double here = picture[std::size_t(y * width + x)];
      const double t = std::clamp((std::min(here, here - sum / weight) - .2) / .4, 0., 1.);
      share.push_back(t * t * (3 - 2 * t));
    }
  return share;
}

TEST(Prominence, IsThePlainComputations) {
  const at::Tensor picture = random_pictures(1, 48, 60, 5);
  const std::vector<double> ours = numbers(prominence(picture)),
                            plain = plain_prominence(numbers(picture), 60, 48);
  double furthest = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) furthest = std::max(furthest, std::abs(ours[i] - plain[i]));
  EXPECT_LT(furthest, 0.1);  // the surroundings, on a coarse grid, are within 0.02
  EXPECT_GT(*std::max_element(plain.begin(), plain.end()), 0.9);
}

TEST(Prominence, AHotTargetStandsOutAndWarmGroundDoesNot) {
  at::Tensor picture = at::full({1, 1, 120, 160}, -0.4);
  picture.narrow(2, 60, 60).fill_(0.2);                    // ground
  picture.narrow(2, 70, 30).narrow(3, 70, 12).fill_(0.9);  // a person
  const at::Tensor share = prominence(picture);
  EXPECT_GT(share[0][0][85][76].item<float>(), 0.9f);
  EXPECT_LT(share[0][0][110][10].item<float>(), 0.1f);
  EXPECT_EQ(share[0][0][10][10].item<float>(), 0.f);
}

}  // namespace
}  // namespace digfusion
