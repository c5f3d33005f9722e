// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/noise_estimate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <string>
#include <vector>

#include "core/training/leaves.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

at::Tensor as_tensor(const cv::Mat& luma) {
  return at::from_blob(luma.data, {1, 1, luma.rows, luma.cols}, at::kByte).to(at::kFloat) / 127.5 - 1;
}

at::Tensor with_noise(const at::Tensor& picture, const NoiseLevel& level, std::uint64_t seed) {
  return picture + random_tensor(picture.sizes(), seed) * (level.white / 127.5) +
         random_tensor({1, 1, 1, picture.size(3)}, seed + 1) * (level.column / 127.5);
}

/// White noise leaves the mean of a column uncertain: by its deviation over the root of the rows.
double column_doubt(double white, const at::Tensor& picture) {
  return 0.5 * white / std::sqrt(double(picture.size(2)));
}

constexpr double white_levels[] = {0, 5, 10, 20, 35}, column_levels[] = {0, 2, 4, 8, 15};

TEST(NoiseEstimate, MeasuresWhatIsOnFlatGround) {
  const at::Tensor flat = at::zeros({1, 1, 480, 640});
  for (const double white : white_levels)
    for (const double column : column_levels) {
      const NoiseLevel found = estimate_noise(with_noise(flat, {white, column}, 7));
      EXPECT_NEAR(found.white, white, 0.6 + 0.03 * white) << "column " << column;
      EXPECT_NEAR(found.column, column, 0.4 + 0.12 * column + column_doubt(white, flat)) << "white " << white;
    }
}

TEST(NoiseEstimate, TellsNoiseFromTheStructureOfAPicture) {
  const LeavesGenerator generator(77);
  std::vector<at::Tensor> pictures;
  for (std::uint64_t i = 0; i < 8; ++i) pictures.push_back(as_tensor(generator.picture(i, 256)));
  for (const double white : white_levels)
    for (const double column : column_levels) {
      double mean_white = 0, mean_column = 0;
      for (std::size_t i = 0; i < pictures.size(); ++i) {
        const NoiseLevel found = estimate_noise(with_noise(pictures[i], {white, column}, 100 + i));
        // Some of these pictures have grain of their own, of up to 7.
        EXPECT_NEAR(std::hypot(found.white, least_white_noise), std::hypot(white, least_white_noise),
                    4.5 + 0.06 * white)
            << "picture " << i << ", white " << white << ", column " << column;
        EXPECT_NEAR(found.column, column, 1.3 + 0.25 * column + column_doubt(white, pictures[i]))
            << "picture " << i << ", white " << white << ", column " << column;
        mean_white += found.white / double(pictures.size());
        mean_column += found.column / double(pictures.size());
      }
      EXPECT_NEAR(mean_white, white, 0.9 + 0.05 * white) << "column " << column;
      EXPECT_NEAR(mean_column, column, 0.5 + 0.1 * column) << "white " << white;
    }
}

TEST(NoiseEstimate, FindsNoneInShadingEdgesStripesAndFlatPictures) {
  const at::Tensor x = at::linspace(-1, 1, 320).view({1, 1, 1, 320}).expand({1, 1, 240, 320}),
                   y = at::linspace(-1, 1, 240).view({1, 1, 240, 1}).expand({1, 1, 240, 320});
  EXPECT_EQ(estimate_noise(at::zeros({1, 1, 240, 320})), NoiseLevel());
  EXPECT_EQ(estimate_noise(at::ones({1, 1, 240, 320})), NoiseLevel());
  EXPECT_EQ(estimate_noise(x * 0.5 + y * 0.4), NoiseLevel());
  EXPECT_EQ(estimate_noise(at::sign(x + y * 0.3)), NoiseLevel());
  EXPECT_EQ(estimate_noise(at::sin(x * 60)), NoiseLevel());                  // a fence
  EXPECT_EQ(estimate_noise(at::sign(at::sin(y * 60)) * 0.5), NoiseLevel());  // blinds
}

TEST(NoiseEstimate, LooksPastWhatIsClipped) {
  // Black over most of the picture, as an underexposed frame is; what remains has the noise.
  at::Tensor picture = at::full({1, 1, 240, 320}, -1.2);
  picture.narrow(3, 200, 120).fill_(0.1);
  const NoiseLevel found = estimate_noise(with_noise(picture, {15, 0}, 3).clamp(-1, 1));
  EXPECT_NEAR(found.white, 15, 1.5);
}

TEST(NoiseEstimate, TakesAnySizeAndLayout) {
  EXPECT_EQ(estimate_noise(random_tensor({1, 1, 15, 400}, 1)), NoiseLevel());
  EXPECT_EQ(estimate_noise(random_tensor({1, 1, 400, 1}, 1)), NoiseLevel());
  EXPECT_NEAR(estimate_noise(random_tensor({16, 17}, 1) * 0.1).white, 12.75, 5);
  const at::Tensor picture = with_noise(at::zeros({1, 1, 200, 300}), {10, 5}, 1);
  const at::Tensor strided = at::cat({picture, picture}, 1).narrow(1, 1, 1);
  EXPECT_EQ(estimate_noise(picture), estimate_noise(strided));
  EXPECT_EQ(estimate_noise(picture), estimate_noise(picture[0][0]));
}

TEST(NoiseEstimate, LeavesPhotographsAlone) {
  const char* data = std::getenv("DIGFUSION_TEST_DATA");
  if (!data) GTEST_SKIP() << "DIGFUSION_TEST_DATA isn't set";
  for (const char* set : {"tno", "msrs"})
    for (const char* kind : {"visible", "infrared"}) {
      int pictures = 0, white = 0, column = 0;
      for (const auto& file :
           std::filesystem::directory_iterator(std::filesystem::path(data) / "data" / set / kind)) {
        const cv::Mat luma = cv::imread(file.path().string(), cv::IMREAD_GRAYSCALE);
        if (luma.empty()) continue;
        const NoiseLevel found = estimate_noise(as_tensor(luma));
        // Whoever looks at the few that have some sees it.
        EXPECT_LT(found.white, 4) << file.path();
        EXPECT_LT(found.column, 5) << file.path();
        ++pictures, white += found.white > 0, column += found.column > 0;
        // Noise that is added is found.
        const NoiseLevel added = estimate_noise(with_noise(as_tensor(luma), {20, 8}, 9));
        EXPECT_NEAR(added.white, 20, 3) << file.path();
        EXPECT_NEAR(added.column, 8, 3.5) << file.path();
      }
      ASSERT_GT(pictures, 10) << set;
      EXPECT_LT(white, pictures / 3) << set << kind;
      EXPECT_LT(column, pictures / 5) << set << kind;
    }
}

}  // namespace
}  // namespace digfusion
