// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/colour.h"

#include <gtest/gtest.h>

#include <array>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "core/image/luma.h"
#include "tests/core/image/test_image.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

class EveryLayoutInColour : public testing::TestWithParam<Layout> {};

/// Smooth colours of the middle of the range, [1,3,H,W].
at::Tensor soft_colours(int width, int height) {
  const at::Tensor x = at::arange(width, at::kFloat) / width, y = at::arange(height, at::kFloat) / height;
  const at::Tensor across = x.expand({height, width}), down = y.view({height, 1}).expand({height, width});
  return at::stack({across - 0.5, down * 0.8 - 0.3, 0.2 - across * down * 0.6}).unsqueeze(0).contiguous();
}

TEST_P(EveryLayoutInColour, GivesBackWhatWasWritten) {
  for (const Range range : {Range::full, Range::limited})
    for (const Matrix matrix : {Matrix::bt601, Matrix::bt709, Matrix::bt2020})
      for (const auto& [width, height] : {std::pair{64, 48}, std::pair{65, 47}}) {
        TestImage visible(GetParam(), width, height), output(GetParam(), width, height);
        for (Image* image : {&visible.image, &output.image}) {
          image->range = range;
          if (!image->is_rgb) image->matrix = matrix;
        }
        visible.fill(3);
        const at::Tensor colours = soft_colours(width, height);
        write_rgb(visible.image, colours, output.image);
        ASSERT_TRUE(output.is_intact_around_rows());
        if (GetParam().components == 1) {
          const at::Tensor gray = read_rgb(output.image);
          ASSERT_TRUE(at::equal(gray[0][0], gray[0][2]));
          ASSERT_TRUE(at::allclose(gray[0].narrow(0, 0, 1), read_luma(output.image)[0], 0, 1e-6));
          continue;
        }
        // A sample's step, twice for chroma's larger factors, and the slope of the colours across a block.
        const double step = 4.0 / (visible.white() - visible.black());
        const double slope = GetParam().samples[1].w_sub ? 1.0 / 20 : 0;
        ASSERT_LT((read_rgb(output.image) - colours).abs().max().item<double>(), step + slope)
            << GetParam().name << " " << width;
      }
}

TEST_P(EveryLayoutInColour, KeepsAlphaAndWhatIsBesideTheColours) {
  TestImage visible(GetParam(), 33, 21), output(GetParam(), 33, 21);
  visible.fill(4);
  write_rgb(visible.image, soft_colours(33, 21), output.image);
  if (GetParam().components < 4) return;
  for (int y = 0; y < 21; ++y)
    for (int x = 0; x < 33; ++x) ASSERT_EQ(output.get(3, x, y), visible.get(3, x, y));
}

INSTANTIATE_TEST_SUITE_P(Layouts, EveryLayoutInColour, testing::ValuesIn(layouts),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(Colour, IsOpenCvsForFullRangeBt601) {
  TestImage picture(layout_named("Y444"), 24, 17);
  picture.image.range = Range::full;
  picture.fill(9);
  cv::Mat ycrcb(17, 24, CV_8UC3), bgr;
  for (int y = 0; y < 17; ++y)
    for (int x = 0; x < 24; ++x)
      ycrcb.at<cv::Vec3b>(y, x) =
          cv::Vec3b(std::uint8_t(picture.get(0, x, y)), std::uint8_t(picture.get(2, x, y)),
                    std::uint8_t(picture.get(1, x, y)));
  cv::cvtColor(ycrcb, bgr, cv::COLOR_YCrCb2BGR);
  const std::vector<double> ours = numbers(read_rgb(picture.image));
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < 17; ++y)
      for (int x = 0; x < 24; ++x)
        ASSERT_NEAR(ours[std::size_t((c * 17 + y) * 24 + x)], bgr.at<cv::Vec3b>(y, x)[2 - c] / 127.5 - 1,
                    1.01 / 127.5);
}

}  // namespace
}  // namespace digfusion
