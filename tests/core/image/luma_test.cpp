// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/luma.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <opencv2/imgproc.hpp>
#include <string>
#include <vector>

#include "core/interface/error.h"
#include "tests/core/image/test_image.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

constexpr std::pair<int, int> sizes[] = {{16, 16}, {17, 19}, {40, 21}};

class EveryLayout : public testing::TestWithParam<Layout> {};

TEST_P(EveryLayout, ReadsLumaFromBlackToWhite) {
  for (const Range range : {Range::full, Range::limited})
    for (const auto& [width, height] : sizes) {
      TestImage picture(GetParam(), width, height);
      picture.image.range = range;
      picture.fill(3);
      check_image(picture.image, "visible");
      const at::Tensor luma = read_luma(picture.image);
      ASSERT_EQ(luma.sizes(), at::IntArrayRef({1, 1, height, width}));
      const std::vector<double> value = numbers(luma);
      const double span = picture.white() - picture.black();
      for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x) {
          double sample = picture.get(0, x, y);
          if (GetParam().is_rgb)
            sample =
                0.299 * picture.get(0, x, y) + 0.587 * picture.get(1, x, y) + 0.114 * picture.get(2, x, y);
          // RGB's luma is a whole number.
          const double tolerance = GetParam().is_rgb ? 0.51 * 2 / span : 1e-6;
          ASSERT_NEAR(value[std::size_t(y * width + x)], 2 * (sample - picture.black()) / span - 1, tolerance)
              << x << ", " << y;
        }
    }
}

TEST_P(EveryLayout, GivesBackTheVisiblePictureForItsOwnLuma) {
  for (const Range range : {Range::full, Range::limited})
    for (const auto& [width, height] : sizes)
      for (const bool bottom_up : {false, true}) {
        TestImage visible(GetParam(), width, height, bottom_up),
            output(GetParam(), width, height, !bottom_up);
        visible.image.range = output.image.range = range;
        visible.fill(4);
        const std::vector<std::uint8_t> before = visible.bytes();
        write_fused(visible.image, read_luma(visible.image), output.image);
        ASSERT_EQ(output.bytes(), before) << width << "×" << height;
        ASSERT_EQ(visible.bytes(), before);
        ASSERT_TRUE(output.is_intact_around_rows());
        ASSERT_TRUE(visible.is_intact_around_rows());
      }
}

TEST_P(EveryLayout, TakesTheFusedLumaAndKeepsTheColour) {
  const auto [width, height] = sizes[1];
  for (const Range range : {Range::full, Range::limited}) {
    TestImage visible(GetParam(), width, height), output(GetParam(), width, height);
    visible.image.range = output.image.range = range;
    visible.fill(5);
    const at::Tensor fused = random_tensor({1, 1, height, width}, 6).tanh(),
                     before = read_luma(visible.image);
    write_fused(visible.image, fused, output.image);
    const std::vector<double> wanted = numbers(fused), old = numbers(before);
    const double half = (visible.white() - visible.black()) / 2.0;
    const int largest = (1 << visible.image.component[0].depth) - 1;
    for (int c = 0; c < visible.image.components; ++c)
      for (int y = 0; y < visible.rows(c); ++y)
        for (int x = 0; x < visible.columns(c); ++x) {
          const int is = output.get(c, x, y), was = visible.get(c, x, y);
          const std::size_t i = std::size_t(y * width + x);
          if (GetParam().is_rgb && c < 3) {
            const double expected =
                std::clamp(was + std::round((wanted[i] + 1) * half) - std::round((old[i] + 1) * half), 0.0,
                           double(largest));
            ASSERT_NEAR(is, expected, 0.6) << c << " at " << x << ", " << y;
          } else if (c == 0) {
            ASSERT_NEAR(is, visible.black() + (wanted[i] + 1) * half, 0.51) << x << ", " << y;
          } else {
            ASSERT_EQ(is, was) << "component " << c << " at " << x << ", " << y;
          }
        }
  }
}

TEST_P(EveryLayout, ClipsWhatIsBeyondBlackAndWhite) {
  TestImage visible(GetParam(), 16, 16), output(GetParam(), 16, 16);
  visible.image.range = output.image.range = Range::limited;
  visible.fill(5);
  const int largest = (1 << visible.image.component[0].depth) - 1;
  for (const float level : {-1.f, 1.f, -9.f, 9.f}) {
    write_fused(visible.image, at::full({1, 1, 16, 16}, level), output.image);
    if (GetParam().is_rgb) continue;  // their own test below
    const int expected = level == -1  ? visible.black()
                         : level == 1 ? visible.white()
                         : level < 0  ? 0
                                      : largest;
    ASSERT_EQ(output.get(0, 3, 3), expected);
  }
  // Samples below black and above white are read as black and white.
  for (int c = 0; c < (GetParam().is_rgb ? 3 : 1); ++c) {
    visible.set(c, 0, 0, 0);
    visible.set(c, 1, 0, largest);
  }
  const std::vector<double> luma = numbers(read_luma(visible.image));
  EXPECT_EQ(luma[0], -1);
  EXPECT_EQ(luma[1], 1);
}

INSTANTIATE_TEST_SUITE_P(Of, EveryLayout, testing::ValuesIn(layouts),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Luma, EverySampleSurvivesTheRoundTrip) {
  for (const char* name : {"GRAY8", "GRAY16_LE", "I420_10LE", "P010_10LE"})
    for (const Range range : {Range::full, Range::limited}) {
      TestImage visible(layout_named(name), 256, 256), output(layout_named(name), 256, 256);
      visible.image.range = output.image.range = range;
      visible.fill(1);
      const int span = visible.white() - visible.black() + 1;
      for (int i = 0; i < 65536; ++i) visible.set(0, i % 256, i / 256, visible.black() + i % span);
      write_fused(visible.image, read_luma(visible.image), output.image);
      ASSERT_EQ(output.bytes(), visible.bytes()) << name;
    }
}

TEST(Luma, OfBgrIsExactlyOpenCvs) {
  const int side = 512;
  TestImage picture(layout_named("BGR"), side, side);
  cv::Mat bgr(side, side, CV_8UC3), gray;
  cv::RNG random(7);
  random.fill(bgr, cv::RNG::UNIFORM, 0, 256);
  for (int i = 0; i < 27 * 27 * 27 && i < side * side; ++i)  // and a lattice with the extremes in it
    bgr.at<cv::Vec3b>(i / side, i % side) =
        cv::Vec3b(std::uint8_t(i % 27 * 255 / 26), std::uint8_t(i / 27 % 27 * 255 / 26),
                  std::uint8_t(i / 729 * 255 / 26));
  cv::cvtColor(bgr, gray, cv::COLOR_BGR2GRAY);
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x)
      for (int c = 0; c < 3; ++c) picture.set(c, x, y, bgr.at<cv::Vec3b>(y, x)[2 - c]);
  const std::vector<double> luma = numbers(read_luma(picture.image));
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x)
      ASSERT_EQ(std::lround((luma[std::size_t(y * side + x)] + 1) * 127.5), gray.at<std::uint8_t>(y, x))
          << bgr.at<cv::Vec3b>(y, x);
}

TEST(Luma, OfRgbFollowsTheMatrix) {
  const struct {
    Matrix matrix;
    double r, b;
  } matrices[] = {{Matrix::rgb, 0.299, 0.114},       {Matrix::bt601, 0.299, 0.114},
                  {Matrix::bt709, 0.2126, 0.0722},   {Matrix::bt2020, 0.2627, 0.0593},
                  {Matrix::smpte240m, 0.212, 0.087}, {Matrix::fcc, 0.30, 0.11}};
  for (const auto& [matrix, r, b] : matrices) {
    TestImage picture(layout_named("RGB"), 16, 16);
    picture.fill(1);
    picture.image.matrix = matrix;
    const double expected[] = {255 * r, 255 * (1 - r - b), 255 * b, 255, 0};
    for (int i = 0; i < 5; ++i)
      for (int c = 0; c < 3; ++c) picture.set(c, i, 0, i == c || i == 3 ? 255 : 0);
    const std::vector<double> luma = numbers(read_luma(picture.image));
    for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR((luma[i] + 1) * 127.5, expected[i], 0.51) << i;
  }
}

TEST(Luma, RgbChannelsClipAtTheirLimits) {
  TestImage visible(layout_named("RGBA"), 16, 16), output(layout_named("RGBA"), 16, 16);
  visible.fill(1);
  const int colour[] = {250, 10, 128, 77};
  for (int c = 0; c < 4; ++c) visible.set(c, 0, 0, colour[c]);
  write_fused(visible.image, at::ones({1, 1, 16, 16}), output.image);
  EXPECT_EQ(output.get(0, 0, 0), 255);
  EXPECT_EQ(output.get(3, 0, 0), 77);  // alpha stays
  write_fused(visible.image, -at::ones({1, 1, 16, 16}), output.image);
  EXPECT_EQ(output.get(1, 0, 0), 0);
  EXPECT_EQ(output.get(3, 0, 0), 77);
}

TEST(CheckImage, TakesEverySizeWithinTheLimits) {
  for (const auto& [width, height] :
       {std::pair(16, 16), std::pair(4096, 2160), std::pair(2160, 4096), std::pair(17, 2160)}) {
    TestImage picture(layout_named("GRAY8"), 16, 16);
    picture.image.width = width;
    picture.image.height = height;
    picture.image.plane[0].row_bytes = std::size_t(width);
    picture.image.plane[0].rows = height;
    EXPECT_NO_THROW(check_image(picture.image, "visible")) << width << "×" << height;
  }
}

TEST(CheckImage, SaysWhatIsImpossible) {
  const struct {
    const char* layout;
    std::function<void(Image&)> change;
    const char* message;
  } cases[] = {
      {"GRAY8", [](Image& i) { i.width = 15; },
       "infrared picture: its size 15×16 is outside of 16×16 to 4096×2160"},
      {"GRAY8", [](Image& i) { i.height = 0; }, "its size 16×0"},
      {"GRAY8", [](Image& i) { i.width = -16; }, "its size -16×16"},
      {"GRAY8", [](Image& i) { i.width = 4097; }, "its size 4097×16"},
      {"GRAY8", [](Image& i) { i.width = i.height = 2161; }, "its size 2161×2161"},
      {"GRAY8", [](Image& i) { i.pixel_aspect = 0; }, "pixel aspect"},
      {"GRAY8", [](Image& i) { i.pixel_aspect = std::numeric_limits<double>::quiet_NaN(); }, "pixel aspect"},
      {"GRAY8", [](Image& i) { i.pixel_aspect = HUGE_VAL; }, "pixel aspect"},
      {"GRAY8", [](Image& i) { i.components = 0; }, "0 components"},
      {"GRAY8", [](Image& i) { i.components = 5; }, "5 components"},
      {"GRAY8", [](Image& i) { i.planes = 0; }, "0 planes"},
      {"GRAY8", [](Image& i) { i.planes = 5; }, "5 planes"},
      {"GRAY8", [](Image& i) { i.planes = 2; }, "plane 1 isn't there"},  // though no component lies in it
      {"RGB", [](Image& i) { i.components = 2; }, "2 components"},
      {"I420", [](Image& i) { i.component[1].plane = 3; }, "component 1 is malformed"},
      {"I420", [](Image& i) { i.component[1].plane = -1; }, "component 1 is malformed"},
      {"GRAY8", [](Image& i) { i.component[0].depth = 7; }, "component 0 is malformed"},
      {"GRAY16_LE", [](Image& i) { i.component[0].shift = 1; }, "component 0 is malformed"},
      {"GRAY8", [](Image& i) { i.component[0].shift = -1; }, "component 0 is malformed"},
      {"GRAY8", [](Image& i) { i.component[0].offset = -1; }, "component 0 is malformed"},
      {"GRAY8", [](Image& i) { i.component[0].pixel_stride = 0; }, "component 0 is malformed"},
      {"GRAY16_LE", [](Image& i) { i.component[0].pixel_stride = 1; }, "component 0 is malformed"},
      {"I420", [](Image& i) { i.component[1].w_sub = 40; }, "component 1 is malformed"},
      // Reading would go beyond the rows.
      {"GRAY8", [](Image& i) { i.component[0].w_sub = 1; }, "component 0 is subsampled"},
      {"RGB", [](Image& i) { i.component[2].h_sub = 1; }, "component 2 is subsampled"},
      {"GRAY8", [](Image& i) { i.plane[0].data = nullptr; }, "plane 0 isn't there"},
      {"GRAY8", [](Image& i) { i.plane[0].rows = 15; }, "plane 0 is too small for component 0"},
      {"GRAY8", [](Image& i) { i.plane[0].row_bytes = 15; }, "plane 0 is too small"},
      {"NV12", [](Image& i) { i.plane[1].row_bytes = 15; }, "plane 1 is too small for component 2"},
      {"RGB", [](Image& i) { i.plane[0].row_bytes = 47; }, "plane 0 is too small"},
      {"RGBA", [](Image& i) { i.component[1].depth = 9, i.component[1].pixel_stride = 4; },
       "differ in depth"},
      {"RGBA", [](Image& i) { i.component[0].shift = 8; }, "differ in depth"},
  };
  for (const auto& [layout, change, message] : cases) {
    TestImage picture(layout_named(layout), 16, 16);
    ASSERT_NO_THROW(check_image(picture.image, "infrared"));
    change(picture.image);
    try {
      check_image(picture.image, "infrared");
      ADD_FAILURE() << layout << " was taken; expected: " << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos)
          << error.what() << "\nexpected: " << message;
    }
  }
}

}  // namespace
}  // namespace digfusion
