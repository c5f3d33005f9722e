// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/thermal.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <opencv2/imgcodecs.hpp>
#include <sstream>
#include <string>

#include "core/image/colour.h"
#include "core/image/gray_image.h"
#include "core/image/luma.h"
#include "core/interface/error.h"
#include "tests/core/image/test_image.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

/// The defaults, changed by name.
ThermalSettings settings(std::initializer_list<std::pair<const char*, const char*>> changes = {}) {
  Parameters parameters;
  for (const auto& [name, text] : changes)
    if (const auto message = set(parameters, name, text)) ADD_FAILURE() << *message;
  return ThermalSettings(parameters);
}

at::Tensor read_once(const Image& image, const ThermalSettings& s, bool rgb = false) {
  return ThermalSource().read(image, s, rgb);
}

class ThermalLayout : public testing::TestWithParam<Layout> {};

TEST_P(ThermalLayout, ThatIsGrayAlreadyIsReadAsAnyOtherPicture) {
  TestImage picture(GetParam(), 40, 22);
  picture.fill(5);
  const bool raw = std::string(GetParam().name) == "GRAY16_LE";
  EXPECT_EQ(is_raw(picture.image), raw);
  for (const char* mode : {"percentile", "plateau", "full"}) {
    ThermalSource source;
    for (int frame = 0; frame < 3; ++frame) {
      const auto s = settings(
          {{"gain-control", mode}, {"thermal-range", raw ? "auto" : "100..200"}, {"polarity", "white-hot"}});
      const bool equal = at::equal(source.read(picture.image, s, false), read_luma(picture.image));
      EXPECT_EQ(equal, !raw || std::string(mode) == "full") << mode;
    }
  }
  if (!raw) {
    EXPECT_TRUE(at::equal(read_once(picture.image, settings(), true), read_rgb(picture.image)));
  }
}
INSTANTIATE_TEST_SUITE_P(Layouts, ThermalLayout, testing::ValuesIn(layouts),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Thermal, FullGainControlIsTheWholeRangeAsLumaIs) {
  TestImage all(layout_named("GRAY16_LE"), 256, 256);
  for (int v = 0; v < 65536; ++v) all.set(0, v % 256, v / 256, v);
  EXPECT_TRUE(at::equal(read_once(all.image, settings({{"gain-control", "full"}})), read_luma(all.image)));
}

/// 14 bits in 16: a smooth scene around 7600.
TestImage& fill_raw(TestImage& image, std::uint64_t seed, double shift = 0) {
  const at::Tensor values =
      random_pictures(1, image.image.height, image.image.width, seed) * 150 + 7600 + shift;
  const std::vector<double> value = numbers(values);
  for (int y = 0; y < image.image.height; ++y)
    for (int x = 0; x < image.image.width; ++x)
      image.set(0, x, y, int(std::lround(value[std::size_t(y * image.image.width + x)])));
  return image;
}

TEST(Thermal, ARawPictureGetsTheContrastThatItLacks) {
  TestImage raw(layout_named("GRAY16_LE"), 64, 48);
  fill_raw(raw, 1);
  EXPECT_LT(read_luma(raw.image).std().item<double>(), 0.004);
  for (const char* mode : {"percentile", "plateau"}) {
    const at::Tensor gray = read_once(raw.image, settings({{"gain-control", mode}}));
    EXPECT_GT(gray.std().item<double>(), 0.3) << mode;
    EXPECT_EQ(gray.min().item<float>(), -1) << mode;
    EXPECT_EQ(gray.max().item<float>(), 1) << mode;
  }
}

TEST(Thermal, AManualRangeGoesBeforeGainControl) {
  TestImage raw(layout_named("GRAY16_LE"), 64, 48);
  fill_raw(raw, 1);
  for (const char* mode : {"percentile", "plateau", "full"}) {
    const std::vector<double> gray =
        numbers(read_once(raw.image, settings({{"gain-control", mode}, {"thermal-range", "7500..7700"}})));
    for (int y = 0; y < 48; ++y)
      for (int x = 0; x < 64; ++x)
        ASSERT_NEAR(gray[std::size_t(y * 64 + x)],
                    std::min(1.0, std::max(-1.0, (raw.get(0, x, y) - 7600) / 100.0)), 1e-6);
  }
}

TEST(Thermal, ARangeInDegreesGoesThroughTheRadiometry) {
  TestImage raw(layout_named("GRAY16_LE"), 64, 48);
  fill_raw(raw, 1);
  for (const char* range : {"20C..40C", "293.15K..313.15K"}) {
    const std::vector<double> gray =
        numbers(read_once(raw.image, settings({{"radiometry", "0.04,-273.15"}, {"thermal-range", range}})));
    for (int y = 0; y < 48; ++y)
      for (int x = 0; x < 64; ++x)
        ASSERT_NEAR(gray[std::size_t(y * 64 + x)],
                    std::min(1.0, std::max(-1.0, (0.04 * raw.get(0, x, y) - 273.15 - 30) / 10)), 1e-6);
  }
}

TEST(Thermal, ARangeFollowsItsParameters) {
  TestImage raw(layout_named("GRAY16_LE"), 64, 48);
  fill_raw(raw, 1);
  ThermalSource source;
  for (const char* range : {"7500..7700", "7400..7600", "30C..32C"}) {
    const ThermalSettings s = settings({{"thermal-range", range}, {"radiometry", "0.04,-273.15"}});
    EXPECT_TRUE(at::equal(source.read(raw.image, s, false), read_once(raw.image, s))) << range;
  }
  const ThermalSettings s = settings({{"thermal-range", "30C..32C"}, {"radiometry", "0.04,-272.15"}});
  EXPECT_TRUE(at::equal(source.read(raw.image, s, false), read_once(raw.image, s)));
}

TEST(Thermal, BigEndianIsTheSamePicture) {
  TestImage little(layout_named("GRAY16_LE"), 33, 18), big(layout_named("GRAY16_LE"), 33, 18);
  fill_raw(little, 2);
  for (int y = 0; y < 18; ++y)
    for (int x = 0; x < 33; ++x) {
      const int v = little.get(0, x, y);
      big.set(0, x, y, (v & 0xff) << 8 | v >> 8);
    }
  big.image.big_endian = true;
  check_image(big.image, "infrared");
  for (const char* mode : {"percentile", "plateau", "full"})
    EXPECT_TRUE(at::equal(read_once(little.image, settings({{"gain-control", mode}})),
                          read_once(big.image, settings({{"gain-control", mode}}))))
        << mode;
  TestImage colour(layout_named("I420_10LE"), 32, 32);
  colour.image.big_endian = true;
  EXPECT_THROW(check_image(colour.image, "infrared"), Error);
}

TEST(Thermal, TelemetryIsCroppedBeforeAnythingIsMadeOfIt) {
  TestImage whole(layout_named("GRAY16_LE"), 45, 40), inside(layout_named("GRAY16_LE"), 40, 32);
  whole.fill(9);
  fill_raw(inside, 3);
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 40; ++x) whole.set(0, 2 + x, 3 + y, inside.get(0, x, y));
  const std::initializer_list<std::pair<const char*, const char*>> crop = {
      {"crop-top", "3"}, {"crop-bottom", "5"}, {"crop-left", "2"}, {"crop-right", "3"}};
  EXPECT_TRUE(at::equal(read_once(whole.image, settings(crop)), read_once(inside.image, settings())));

  TestImage eight(layout_named("I420"), 45, 40);
  eight.fill(4);
  EXPECT_TRUE(at::equal(read_once(eight.image, settings(crop)),
                        read_luma(eight.image).narrow(2, 3, 32).narrow(3, 2, 40)));
}

TEST(Thermal, CroppingTooMuchIsRefused) {
  TestImage raw(layout_named("GRAY16_LE"), 40, 40);
  EXPECT_NO_THROW(read_once(raw.image, settings({{"crop-top", "24"}})));
  for (const auto& [name, rows] : {std::pair("crop-top", "25"), {"crop-left", "4096"}}) {
    try {
      read_once(raw.image, settings({{name, rows}}));
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_NE(std::string(error.what()).find("of its 40×40 pixels; leave at least 16×16"),
                std::string::npos)
          << error.what();
    }
  }
}

TEST(Thermal, DeadPixelsAreCorrectedOnRequestBeforeGainControl) {
  TestImage clean(layout_named("GRAY16_LE"), 64, 48), dead(layout_named("GRAY16_LE"), 64, 48);
  fill_raw(clean, 4);
  fill_raw(dead, 4);
  for (int i = 0; i < 40; ++i)
    dead.set(0, 3 + (i * 6) % 60, 3 + i, i % 2 ? 65535 : 0);  // over one in a hundred
  const at::Tensor wanted = read_once(clean.image, settings());
  const auto error = [&](const char* choice) {
    return (read_once(dead.image, settings({{"dead-pixels", choice}})) - wanted).abs().mean().item<double>();
  };
  EXPECT_GT(error("keep"), 0.3);
  EXPECT_LT(error("correct"), 0.02);
}

TEST(Thermal, BlackHotIsTurnedIntoItsNegative) {
  TestImage raw(layout_named("GRAY16_LE"), 64, 48), eight(layout_named("GRAY8"), 64, 48);
  fill_raw(raw, 5);
  eight.fill(6);
  for (const Image& image : {raw.image, eight.image})
    EXPECT_TRUE(
        at::equal(read_once(image, settings({{"polarity", "black-hot"}})), -read_once(image, settings())));
}

TEST(Thermal, AutomaticPolarityTurnsABlackHotPictureOfEightBits) {
  TestImage white(layout_named("GRAY8"), 128, 96), black(layout_named("GRAY8"), 128, 96);
  for (int y = 0; y < 96; ++y)
    for (int x = 0; x < 128; ++x) {
      const bool warm = y > 50 && y < 60 && x % 40 < 4;
      const int value = warm ? 230 : y < 30 ? 40 : 70 + x % 3;
      white.set(0, x, y, value);
      black.set(0, x, y, 255 - value);
    }
  const at::Tensor wanted = read_luma(white.image);
  for (const TestImage* image : {&white, &black})
    EXPECT_LT((read_once(image->image, settings({{"polarity", "auto"}})) - wanted).abs().max().item<double>(),
              1e-6);
  EXPECT_FALSE(at::equal(read_once(black.image, settings()), wanted));  // not without being asked to
}

TEST(Thermal, GainControlIsSmoothOverTimeAndACopyHasAPastOfItsOwn) {
  TestImage first(layout_named("GRAY16_LE"), 64, 48), second(layout_named("GRAY16_LE"), 64, 48);
  fill_raw(first, 7);
  fill_raw(second, 7, 30);
  ThermalSource source;
  (void)source.read(first.image, settings(), false);
  ThermalSource copy = source;
  const at::Tensor warmer = source.read(second.image, settings(), false);
  EXPECT_GT(warmer.mean().item<double>(), read_once(second.image, settings()).mean().item<double>() + 0.1);
  EXPECT_TRUE(at::equal(copy.read(second.image, settings(), false), warmer));
}

TEST(Thermal, GivesThreeEqualChannelsWhereColourIsFused) {
  TestImage raw(layout_named("GRAY16_LE"), 64, 48);
  fill_raw(raw, 8);
  const at::Tensor gray = read_once(raw.image, settings()), rgb = read_once(raw.image, settings(), true);
  ASSERT_EQ(rgb.sizes(), at::IntArrayRef({1, 3, 48, 64}));
  for (int c = 0; c < 3; ++c) EXPECT_TRUE(at::equal(rgb.narrow(1, c, 1), gray));
}

// ---- eleven real cameras

struct Camera {
  std::string picture, planck;
  double r1, r2, b, f, o;
};

std::filesystem::path thermal16() {
  const char* data = std::getenv("DIGFUSION_TEST_DATA");
  return data ? std::filesystem::path(data) / "data" / "thermal16" : std::filesystem::path();
}

std::vector<Camera> cameras() {
  std::ifstream file(thermal16() / "cameras.csv");
  std::vector<Camera> cameras;
  std::string line;
  for (std::getline(file, line); std::getline(file, line);) {
    std::vector<std::string> cells;
    if (line.ends_with('\r')) line.pop_back();
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, ',');) cells.push_back(cell);
    const std::size_t n = cells.size();
    const auto at = [&](std::size_t back) { return std::stod(cells[n - back]); };
    cameras.push_back(
        {cells[0],
         cells[n - 5] + "," + cells[n - 4] + "," + cells[n - 3] + "," + cells[n - 2] + "," + cells[n - 1],
         at(5), at(4), at(3), at(2), at(1)});
  }
  return cameras;
}

/// Borrowed from `picture`.
Image image_of(const cv::Mat& picture) {
  EXPECT_TRUE(picture.isContinuous());
  return gray_image(picture.data, picture.cols, picture.rows, 16);
}

class RealCameras : public testing::Test {
 protected:
  void SetUp() override {
    if (thermal16().empty()) GTEST_SKIP() << "DIGFUSION_TEST_DATA isn't set: no raw pictures of real cameras";
  }
};

// Usable contrast: a standard deviation of a tenth of the gray scale at least, and no more than 1.5 % of the
// pixels at either end of it.
TEST_F(RealCameras, EveryPictureGetsUsableContrast) {
  const auto all = cameras();
  ASSERT_EQ(all.size(), 26u);
  int flat = 0;
  for (const Camera& camera : all)
    for (const char* mode : {"percentile", "plateau", "full"}) {
      SCOPED_TRACE(camera.picture + " " + mode);
      const cv::Mat picture =
          cv::imread((thermal16() / (camera.picture + ".png")).string(), cv::IMREAD_UNCHANGED);
      ASSERT_EQ(picture.type(), CV_16UC1);
      const at::Tensor gray = read_once(image_of(picture), settings({{"gain-control", mode}}));
      const double deviation = gray.std().item<double>();
      if (std::string(mode) == "full") {
        flat += deviation < 0.2;
        continue;
      }
      EXPECT_GE(deviation, 0.2);
      EXPECT_LE((gray == -1).to(at::kDouble).mean().item<double>(), 0.015);
      EXPECT_LE((gray == 1).to(at::kDouble).mean().item<double>(), 0.015);
    }
  EXPECT_EQ(flat, 26) << "with the whole range";
}

TEST_F(RealCameras, TemperaturesAreThoseOfTheirPlanckConstants) {
  for (const Camera& camera : cameras()) {
    SCOPED_TRACE(camera.picture);
    const cv::Mat picture =
        cv::imread((thermal16() / (camera.picture + ".png")).string(), cv::IMREAD_UNCHANGED);
    const std::vector<double> gray = numbers(
        read_once(image_of(picture),
                  settings({{"radiometry", camera.planck.c_str()}, {"thermal-range", "-100C..500C"}})));
    double coldest = 1e9, warmest = -1e9, error = 0;
    for (std::size_t i = 0; i < gray.size(); ++i) {
      const double raw = picture.at<std::uint16_t>(int(i) / picture.cols, int(i) % picture.cols);
      const double celsius =
          camera.b / std::log(camera.r1 / (camera.r2 * (raw + camera.o)) + camera.f) - 273.15;
      error = std::max(error, std::abs(300 * (gray[i] + 1) - 100 - celsius));
      coldest = std::min(coldest, celsius);
      warmest = std::max(warmest, celsius);
    }
    EXPECT_LT(error, 1e-3);  // °C
    EXPECT_GT(coldest, -100);
    EXPECT_LT(warmest, 500);
  }
}

}  // namespace
}  // namespace digfusion
