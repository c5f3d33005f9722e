// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/remap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <opencv2/calib3d.hpp>
#include <opencv2/imgproc.hpp>
#include <random>

#include "core/interface/error.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

Registration numbers_of(const Homography& h) {
  Registration r;
  r.to_visible = h;
  return r;
}

Size size_of(const at::Tensor& picture) { return {picture.size(3), picture.size(2)}; }

at::Tensor remapped(const Registration& r, const at::Tensor& infrared, const at::Tensor& visible) {
  return RemapTable(r, size_of(visible), size_of(infrared)).apply(infrared, visible);
}

/// Bilinear interpolation in float64 at one place, the borders continued; `picture` is [1,1,h,w].
double sample(const at::Tensor& picture, double x, double y) {
  const auto a = picture.accessor<float, 4>();
  const std::int64_t w = picture.size(3), h = picture.size(2);
  x = std::clamp(x, 0., double(w - 1));
  y = std::clamp(y, 0., double(h - 1));
  const auto x0 = std::min(std::int64_t(x), w - 2), y0 = std::min(std::int64_t(y), h - 2);
  const double u = x - double(x0), v = y - double(y0);
  return (1 - v) * ((1 - u) * a[0][0][y0][x0] + u * a[0][0][y0][x0 + 1]) +
         v * ((1 - u) * a[0][0][y0 + 1][x0] + u * a[0][0][y0 + 1][x0 + 1]);
}

TEST(RemapTable, OfTheIdentityLeavesThePictureAsItIs) {
  const at::Tensor infrared = random_pictures(1, 40, 60, 1), visible = random_pictures(1, 40, 60, 3);
  EXPECT_TRUE(at::equal(remapped(Registration{}, infrared, visible), infrared));
  EXPECT_TRUE(at::equal(remapped(numbers_of({-2, 0, 0, 0, -2, 0, 0, 0, -2}), infrared, visible), infrared));
}

TEST(RemapTable, EnlargesWithoutAFadedBorder) {
  // Twice the size: visible pixel x is infrared pixel (x + .5) / 2 - .5.
  const at::Tensor infrared = random_pictures(1, 20, 30, 1), visible = random_pictures(1, 40, 60, 3);
  const at::Tensor result = remapped(numbers_of({2, 0, .5, 0, 2, .5, 0, 0, 1}), infrared, visible);
  EXPECT_TRUE(at::allclose(result, at::upsample_bilinear2d(infrared, {40, 60}, false), 0, 1e-5));
}

TEST(RemapTable, FollowsRandomHomographies) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> some(-.1, .1);
  const at::Tensor infrared = random_pictures(1, 60, 80, 1), visible = random_pictures(1, 70, 90, 3);
  for (int i = 0; i < 20; ++i) {
    const Registration r =
        numbers_of({1.2 + some(random), some(random), 50 * some(random) - 5, some(random), 1.2 + some(random),
                    50 * some(random) - 5, some(random) * 1e-2, some(random) * 1e-2, 1});
    const PixelMap map(r, size_of(visible), size_of(infrared));
    const at::Tensor result = remapped(r, infrared, visible);
    int inner = 0;
    for (int y = 0; y < 70; ++y)
      for (int x = 0; x < 90; ++x) {
        const auto p = map.to_infrared({double(x), double(y)});
        const double got = result[0][0][y][x].item<double>();
        if (!p || p->x < -.5 || p->y < -.5 || p->x > 79.5 || p->y > 59.5) {
          ASSERT_EQ(got, visible[0][0][y][x].item<double>()) << x << ", " << y;
        } else if (p->x > 4 && p->y > 4 && p->x < 75 && p->y < 55) {  // beyond the fading
          ASSERT_NEAR(got, sample(infrared, p->x, p->y), 1e-4) << x << ", " << y;
          ++inner;
        }
      }
    EXPECT_GT(inner, 1000);
  }
}

TEST(RemapTable, IsWarpPerspective) {
  const at::Tensor infrared = random_pictures(1, 120, 160, 1), visible = at::zeros({1, 1, 120, 160});
  const Homography h{1.05, .04, -6, -.03, 1.02, 4, 1e-4, -5e-5, 1};
  const at::Tensor result = remapped(numbers_of(h), infrared, visible);
  const cv::Mat in(120, 160, CV_32F, infrared.data_ptr<float>());
  cv::Mat exact, out;
  in.convertTo(exact, CV_64F);
  cv::warpPerspective(exact, out, cv::Mat(3, 3, CV_64F, const_cast<double*>(h.data())), {160, 120},
                      cv::INTER_LINEAR, cv::BORDER_REPLICATE);
  double largest = 0;
  for (int y = 20; y < 100; ++y)
    for (int x = 20; x < 140; ++x)
      largest = std::max(largest, std::abs(out.at<double>(y, x) - result[0][0][y][x].item<double>()));
  EXPECT_LT(largest, 0.04);  // OpenCV rounds places to a 32nd of a pixel; neighbours differ by up to 1
  EXPECT_GT(largest, 0);
}

TEST(RemapTable, UndistortsAsOpenCvDoes) {
  const at::Tensor smooth =
      at::upsample_bilinear2d(random_tensor({1, 1, 12, 16}, 1), {120, 160}, false).tanh();
  const at::Tensor visible = at::zeros({1, 1, 120, 160});
  const cv::Mat in(120, 160, CV_32F, smooth.data_ptr<float>());
  const cv::Matx33d k(120, 0, 80, 0, 121, 59, 0, 0, 1);
  for (const LensModel model : {LensModel::opencv, LensModel::fisheye}) {
    const std::vector<double> distortion{model == LensModel::fisheye ? .05 : -.2, .02, 1e-3, 1e-3};
    Registration r;
    r.infrared.lens.emplace(LensParameters{model, 120, 121, 80, 59, distortion});
    const at::Tensor result = remapped(r, smooth, visible);
    cv::Mat out;
    if (model == LensModel::fisheye)
      cv::fisheye::undistortImage(in, out, k, distortion, k);
    else
      cv::undistort(in, out, k, distortion);
    for (int y = 15; y < 105; ++y)
      for (int x = 15; x < 145; ++x)
        ASSERT_NEAR(result[0][0][y][x].item<double>(), out.at<float>(y, x), 0.01) << x << ", " << y;
  }
}

TEST(RemapTable, OfOneLensForBothCamerasMovesNothing) {
  Registration r;
  r.visible.lens.emplace(LensParameters{LensModel::opencv, 60, 60, 30, 20, {-.2, .02, 1e-3, 1e-3}});
  r.infrared.lens = r.visible.lens;
  const at::Tensor infrared = random_pictures(1, 40, 60, 1), visible = random_pictures(1, 40, 60, 3);
  EXPECT_TRUE(at::allclose(remapped(r, infrared, visible), infrared, 0, 1e-4));
}

TEST(RemapTable, FadesInWhereTheInfraredPictureBegins) {
  const at::Tensor infrared = at::ones({1, 1, 100, 100}), visible = at::zeros({1, 1, 200, 400});
  const at::Tensor result = remapped(numbers_of({1, 0, 100, 0, 1, 0, 0, 0, 1}), infrared, visible);
  const auto row = result[0][0][30];
  for (int x = 0; x < 400; ++x) {
    const double value = row[x].item<double>();
    const int inside = x < 150 ? x - 99 : 200 - x;  // pixels from the nearest without infrared
    if (inside <= 0)
      EXPECT_EQ(value, 0) << x;
    else if (inside >= 8)
      EXPECT_EQ(value, 1) << x;
    else
      EXPECT_TRUE(value > 0 && value < 1) << x << ": " << value;
    if (inside > 0 && x != 150) {
      EXPECT_GE(value, row[x < 150 ? x - 1 : x + 1].item<double>());
    }
  }
  EXPECT_EQ(result[0][0][0][150].item<double>(), 1);  // at the visible picture's own border nothing is faded
}

TEST(RemapTable, ReducesWithoutAliasing) {
  at::Tensor board = at::ones({1, 1, 128, 128});
  board.slice(2, 0, 128, 2).slice(3, 0, 128, 2).fill_(-1);
  board.slice(2, 1, 128, 2).slice(3, 1, 128, 2).fill_(-1);
  const at::Tensor small =
      remapped(numbers_of({.25, 0, -.375, 0, .25, -.375, 0, 0, 1}), board, at::zeros({1, 1, 32, 32}));
  EXPECT_LT(small.abs().max().item<double>(), 0.05);
}

TEST(RemapTable, TakesColour) {
  const at::Tensor infrared = random_tensor({1, 3, 40, 60}, 1), visible = random_tensor({1, 3, 50, 60}, 2);
  const Registration r = numbers_of({1.1, 0, 3, 0, .9, 4, 0, 0, 1});
  const at::Tensor all = remapped(r, infrared, visible);
  for (int c = 0; c < 3; ++c)
    EXPECT_TRUE(
        at::equal(all.narrow(1, c, 1), remapped(r, infrared.narrow(1, c, 1), visible.narrow(1, c, 1))));
}

TEST(RemapTable, RefusesAPictureThatLiesBeside) {
  try {
    RemapTable(numbers_of({1, 0, 500, 0, 1, 0, 0, 0, 1}), {100, 80}, {100, 80});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(std::string(error.what()).find("100x80 wholly beside"), std::string::npos) << error.what();
  }
}

TEST(Registrar, KeepsItsRegistrationWhereANewOneIsWrong) {
  const at::Tensor infrared = random_pictures(1, 40, 60, 1), visible = random_pictures(1, 40, 60, 3);
  Registrar registrar("");
  EXPECT_FALSE(registrar.registers());
  registrar.configure("1,0,4,0,1,0");
  const at::Tensor moved = registrar.apply(1, infrared, visible);
  EXPECT_TRUE(at::allclose(moved.narrow(3, 20, 30), infrared.narrow(3, 16, 30), 0, 1e-4));
  EXPECT_THROW(registrar.configure("1,0,4,0,1"), Error);
  EXPECT_TRUE(at::equal(registrar.apply(1, infrared, visible), moved));
  // Another size takes another table.
  EXPECT_EQ(registrar.apply(1, random_pictures(1, 30, 20, 1), visible).sizes(), visible.sizes());
  registrar.configure("");
  EXPECT_FALSE(registrar.registers());
}

}  // namespace
}  // namespace digfusion
