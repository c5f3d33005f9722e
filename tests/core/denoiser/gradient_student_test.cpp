// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/gradient_student.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "core/denoiser/registry.h"
#include "core/denoiser/student.h"
#include "core/image/tiles.h"
#include "core/interface/error.h"
#include "tests/core/denoiser/model_files.h"
#include "tests/core/metrics/temporary_folder.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

/// The tiny one, with weights in the layers that start at zero.
ModelFile some_student() {
  ModelFile file = tiny_gradient_student();
  std::uint64_t seed = 10;
  for (auto& [name, w] : file.weights)
    if (w.abs().max().item<double>() == 0) w = random_tensor(w.sizes(), ++seed) * 0.05;
  return file;
}

GradientStudent student_of(const ModelFile& file) { return {file.config, file.weights, file.timesteps}; }

const at::Tensor pictures = random_pictures(3, 32, 48, 5);

TEST(GradientStudent, LeavesAPictureWithoutNoiseAsItIs) {
  const GradientStudent student = student_of(some_student());
  const GradientEstimates none = student.estimate(pictures, std::vector<NoiseLevel>(3));
  EXPECT_TRUE(at::equal(none.clean, pictures));
  const GradientEstimates one = student.estimate(pictures, std::vector<NoiseLevel>{{}, {20, 0}, {}});
  EXPECT_TRUE(at::equal(one.clean[0], pictures[0]));
  EXPECT_FALSE(at::equal(one.clean[1], pictures[1]));
  EXPECT_TRUE(at::equal(one.clean[2], pictures[2]));
}

TEST(GradientStudent, EstimatesEachPictureForItself) {
  const GradientStudent student = student_of(some_student());
  const std::vector<NoiseLevel> noise = {{20, 0}, {}, {5, 8}};
  const GradientEstimates all = student.estimate(pictures, noise);
  ASSERT_EQ(all.clean.sizes(), pictures.sizes());
  ASSERT_EQ(all.error.sizes(), at::IntArrayRef({3, 2, 8, 12}));
  EXPECT_GT(all.error.min().item<double>(), 0);
  for (std::int64_t k = 0; k < 3; ++k) {
    const GradientEstimates alone = student.estimate(pictures.narrow(0, k, 1), {&noise[std::size_t(k)], 1});
    EXPECT_TRUE(at::allclose(alone.clean[0], all.clean[k], 1e-4, 1e-5)) << k;
    EXPECT_TRUE(at::allclose(alone.error[0], all.error[k], 1e-4, 1e-9)) << k;
  }
}

TEST(GradientStudent, ATiledPictureHasNoSeams) {
  const ModelFile file = some_student();
  const GradientStudent student = student_of(file);
  const std::int64_t reach = unet_reach(file.config);
  // So large that there is an inner tile whose halo ends within the picture on all sides.
  const std::int64_t side = 8 * reach / student.multiple() * student.multiple();
  const at::Tensor large = random_pictures(2, side, side + 2 * student.multiple(), 9);
  const std::vector<NoiseLevel> noise = {{15, 4}, {}};
  const GradientEstimates whole = student.estimate(large, noise);
  for (const std::int64_t tile : {side * side / 3, side * side / 9, side * side / 30}) {
    const GradientEstimates tiled = student.estimate(large, noise, tile);
    EXPECT_LT((tiled.clean - whole.clean).abs().max().item<double>(), 1e-5) << tile;
    EXPECT_LT((tiled.error / whole.error - 1).abs().max().item<double>(), 1e-4) << tile;
  }
}

TEST(Tiles, CoverAPictureOnceWithTheirHalos) {
  for (const std::int64_t largest : {64, 1000, 5000, 20000, 1 << 20}) {
    const std::int64_t height = 8 * 17, width = 8 * 29, halo = 16;
    at::Tensor covered = at::zeros({height, width});
    for (const auto& [rows, columns] : tiles_of(height, width, 8, halo, largest)) {
      EXPECT_LE(rows.inner_size * columns.inner_size, largest);
      for (const auto& [span, size] : {std::pair{rows, height}, std::pair{columns, width}}) {
        EXPECT_EQ(span.first, std::max<std::int64_t>(0, span.inner_first - halo));
        EXPECT_EQ(span.first + span.size, std::min(size, span.inner_first + span.inner_size + halo));
        EXPECT_EQ(span.inner_first % 8 + span.inner_size % 8, 0);
      }
      covered.narrow(0, rows.inner_first, rows.inner_size)
          .narrow(1, columns.inner_first, columns.inner_size)
          .add_(1);
    }
    EXPECT_TRUE(at::equal(covered, at::ones({height, width}))) << largest;
  }
}

TEST(GradientStudent, TakesAwayNoMoreThanTheLevelSays) {
  // Untrained, it mixes the picture with its blur, by the level; its error maps are the typical ones.
  const GradientStudent untrained = student_of(tiny_gradient_student());
  const GradientEstimates start = untrained.estimate(pictures, std::vector<NoiseLevel>(3, {30, 40}));
  const double skip = fine_structure * fine_structure / (fine_structure * fine_structure + 50 * 50);
  const std::int64_t height = pictures.size(2), width = pictures.size(3);
  const std::vector<double> y = numbers(pictures[1]);
  const auto mean = [&](const std::vector<double>& x) {
    std::vector<double> result;
    for (std::int64_t r = 0; r < height; ++r)
      for (std::int64_t c = 0; c < width; ++c) {
        double sum = 0, count = 0;
        for (std::int64_t i = std::max<std::int64_t>(r - 1, 0); i <= std::min(r + 1, height - 1); ++i)
          for (std::int64_t j = std::max<std::int64_t>(c - 1, 0); j <= std::min(c + 1, width - 1);
               ++j, ++count)
            sum += x[std::size_t(i * width + j)];
        result.push_back(sum / count);
      }
    return result;
  };
  const std::vector<double> blurred = mean(mean(y)), clean = numbers(start.clean[1]);
  for (std::size_t i = 0; i < y.size(); ++i)
    ASSERT_NEAR(clean[i], skip * y[i] + (1 - skip) * blurred[i], 1e-5) << i;
  for (int m = 0; m < 2; ++m) {
    const double typical = typical_error(untrained.timesteps()[std::size_t(m)]);
    EXPECT_NEAR(start.error.narrow(1, m, 1).mean().item<double>(), typical * typical,
                1e-3 * typical * typical);
  }
  // The same weights take away the less the lower the level is.
  const GradientStudent student = student_of(some_student());
  double before = 1e9;
  for (const double level : {40.0, 10.0, 1.0, 0.01}) {
    const GradientEstimates estimates = student.estimate(pictures, std::vector<NoiseLevel>(3, {level, 0}));
    const double taken = (estimates.clean - pictures).square().mean().sqrt().item<double>();
    EXPECT_LT(taken, before) << level;
    before = taken;
  }
  EXPECT_LT(before, 1e-3);
}

TEST(GradientStudent, IsToldBothKindsOfNoise) {
  const GradientStudent student = student_of(some_student());
  const auto clean = [&](NoiseLevel level) {
    return student.estimate(pictures, std::vector<NoiseLevel>(3, level)).clean;
  };
  EXPECT_FALSE(at::equal(clean({8, 0}), clean({0, 8})));
}

TEST(GradientStudent, NeedsALevelForEachPicture) {
  const GradientStudent student = student_of(some_student());
  EXPECT_THROW((void)student.estimate(pictures, std::vector<NoiseLevel>(2)), Error);
}

TEST(GradientStudent, ComesBackFromItsFile) {
  const TemporaryFolder folder;
  const ModelFile file = some_student();
  const std::string path = folder.path / "gradient-student.safetensors";
  write_model_file(path, file);
  const auto student = open_gradient_student(path, at::kCPU, at::kFloat);
  EXPECT_EQ(student->config(), file.config);
  EXPECT_EQ(student->timesteps(), file.timesteps);
  const std::vector<NoiseLevel> noise(3, {20, 2});
  const GradientEstimates a = student->estimate(pictures, noise),
                          b = student_of(file).estimate(pictures, noise);
  EXPECT_TRUE(at::allclose(a.clean, b.clean, 1e-3, 2e-3));  // float16 in the file
  EXPECT_TRUE(at::allclose(a.error, b.error, 2e-2, 1e-6));
  EXPECT_THROW((void)open_student(path, at::kCPU, at::kFloat), Error);
}

TEST(GradientStudent, AFileMustHaveItsOutputs) {
  const TemporaryFolder folder;
  const std::string path = folder.path / "gradient-student.safetensors";
  const auto refusal = [&](const std::function<void(ModelFile&)>& change) -> std::string {
    ModelFile file = tiny_gradient_student();
    change(file);
    file.weights = initialise_unet(file.config, at::detail::createCPUGenerator(1));
    write_model_file(path, file);
    try {
      (void)read_model_file(path);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal([](ModelFile&) {}), "");
  EXPECT_NE(refusal([](ModelFile& f) { f.config.side = 3; }).find("side"), std::string::npos);
  EXPECT_NE(refusal([](ModelFile& f) { f.config.told = 2; }).find("told"), std::string::npos);
  EXPECT_NE(refusal([](ModelFile& f) { f.config.outputs = 5; }).find("output channels"), std::string::npos);
}

TEST(GradientStudent, CostsHalfOfTheOtherStudent) {
  const UNetConfig config = gradient_student_config(3);
  const double other = unet_multiply_adds(student_config(4), 480, 640);
  EXPECT_LT(unet_multiply_adds(config, 480, 640), other * 0.55);
  EXPECT_LT(unet_multiply_adds(config, 480, 640, false), other / 4.5);
  EXPECT_EQ(config.multiple(), 16);
}

}  // namespace
}  // namespace digfusion
