// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion calibrate`, on pairs that known homographies part: generated scenes, and real ones where they
// are.
#include "core/tools/calibrate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <opencv2/imgproc.hpp>
#include <random>

#include "core/image/registration.h"
#include "core/scene/renderer.h"
#include "core/tools/alignment.h"
#include "core/tools/checkerboard.h"
#include "core/tools/pictures.h"
#include "tests/tools/program.h"

namespace fs = std::filesystem;

namespace digfusion::tools {
namespace {

cv::Point2d moved(const cv::Matx33d& h, cv::Point2d p) {
  const cv::Vec3d q = h * cv::Vec3d(p.x, p.y, 1);
  return {q[0] / q[2], q[1] / q[2]};
}

/// Mean distance of the infrared picture's corners on the visible one, in its pixels.
double corner_error(const cv::Matx33d& a, const cv::Matx33d& b, cv::Size infrared) {
  const double right = infrared.width - 1, bottom = infrared.height - 1;
  double sum = 0;
  for (const cv::Point2d c : {cv::Point2d(0, 0), {right, 0}, {0, bottom}, {right, bottom}})
    sum += cv::norm(moved(a, c) - moved(b, c)) / 4;
  return sum;
}

/// An infrared camera of four fifths of the field of view that looks a little elsewhere: scale 0.9..1.1, up
/// to 4 degrees, offsets up to a twentieth of the width, some perspective. Takes its pixels to those of a
/// picture of size `whole`.
cv::Matx33d other_camera(cv::Size whole, cv::Size part, unsigned seed) {
  std::mt19937 random(seed * 7919 + 17);
  const auto within = [&](double most) {
    return std::uniform_real_distribution<double>(-most, most)(random);
  };
  const double w = whole.width, scale = 1 + within(.1), turn = within(4) * CV_PI / 180,
               c = scale * std::cos(turn), s = scale * std::sin(turn);
  const cv::Matx33d centred(1, 0, -(part.width - 1) / 2., 0, 1, -(part.height - 1) / 2., 0, 0, 1),
      turned(c, -s, 0, s, c, 0, 0, 0, 1), perspective(1, 0, 0, 0, 1, 0, within(.02) / w, within(.02) / w, 1),
      placed(1, 0, (w - 1) / 2 + within(.05) * w, 0, 1, (whole.height - 1) / 2. + within(.05) * w, 0, 0, 1);
  return placed * turned * perspective * centred;
}

struct Parted {
  AlignmentPair pair;
  cv::Matx33d truth;  ///< infrared pixel → pixel of the infrared picture before
};

Parted part(const AlignmentPair& pair, unsigned seed) {
  const cv::Size size(cvRound(pair.infrared.cols * .8), cvRound(pair.infrared.rows * .8));
  Parted result{{pair.visible, {}}, other_camera(pair.infrared.size(), size, seed)};
  cv::warpPerspective(pair.infrared, result.pair.infrared, result.truth, size,
                      cv::INTER_CUBIC | cv::WARP_INVERSE_MAP, cv::BORDER_REPLICATE);
  return result;
}

cv::Mat as_mat(const scene::Plane& plane) {
  return cv::Mat(plane.height, plane.width, CV_32F, const_cast<float*>(plane.samples.data())).clone() * 255;
}

AlignmentPair generated(scene::Pattern pattern, unsigned seed) {
  const scene::Renderer renderer(pattern, seed, 480, 360);
  scene::Plane visible, infrared;
  renderer.visible(10, visible);
  renderer.infrared(10, infrared);
  return {as_mat(visible), as_mat(infrared)};
}

TEST(Align, FindsAPictureThatIsAPartOfTheOther) {
  AlignmentPair pair = generated(scene::Pattern::still, 3);
  pair.infrared = pair.visible;
  const Parted parted = part(pair, 1);
  const Alignment found = align({&parted.pair, 1});
  EXPECT_LT(corner_error(found.to_visible, parted.truth, parted.pair.infrared.size()), 0.2);
  EXPECT_EQ(found.doubt, "");
}

TEST(Align, TakesNoFrameForAnEdge) {
  AlignmentPair pair = generated(scene::Pattern::day_glare, 1);
  pair.infrared.rowRange(0, 9).setTo(0);
  pair.infrared.colRange(0, 12).setTo(0);
  pair.visible.colRange(pair.visible.cols - 7, pair.visible.cols).setTo(0);
  const Alignment found = align({&pair, 1});
  EXPECT_LT(corner_error(found.to_visible, cv::Matx33d::eye(), pair.infrared.size()), 1);
}

TEST(Align, FindsTheInfraredPictureOfAGeneratedScene) {
  for (const unsigned seed : {1u, 2u, 3u}) {
    const Parted parted = part(generated(scene::Pattern::day_glare, seed), seed);
    const Alignment found = align({&parted.pair, 1});
    EXPECT_LT(corner_error(found.to_visible, parted.truth, parted.pair.infrared.size()), 1) << seed;
    EXPECT_EQ(found.doubt, "") << seed;
  }
}

TEST(Align, SaysThatItIsNotSureOfPicturesOfUnlikeThings) {
  const AlignmentPair first = generated(scene::Pattern::night, 1),
                      second = generated(scene::Pattern::still, 8);
  const AlignmentPair pair{first.visible, second.infrared};
  EXPECT_NE(align({&pair, 1}).doubt, "");
}

TEST(Align, IsNotSureOfPicturesWithoutEdges) {
  const AlignmentPair flat{cv::Mat(120, 160, CV_32F, cv::Scalar(90)),
                           cv::Mat(90, 120, CV_32F, cv::Scalar(40))};
  const Alignment found = align({&flat, 1});
  EXPECT_NE(found.doubt, "");
  EXPECT_TRUE(cv::checkRange(cv::Mat(found.to_visible)));
}

TEST(Align, RefusesNothingAtAll) { EXPECT_THROW((void)align({}), std::runtime_error); }

/// Real pairs lie some pixels apart themselves, and in depth, so that one homography fits one part of them
/// best and another one another part. So what is found is compared with what is found of the same part as it
/// is.
double real_error(const AlignmentPair& pair, unsigned seed, bool& sure, double& absolute) {
  const Parted parted = part(pair, seed);
  const cv::Size size = parted.pair.infrared.size();
  const cv::Point2d middle = moved(parted.truth, {(size.width - 1) / 2., (size.height - 1) / 2.});
  const cv::Rect there = cv::Rect(cvRound(middle.x - size.width / 2.), cvRound(middle.y - size.height / 2.),
                                  size.width, size.height) &
                         cv::Rect({}, pair.infrared.size());
  const AlignmentPair upright{pair.visible, pair.infrared(there).clone()};
  const cv::Matx33d to_part(1, 0, -there.x, 0, 1, -there.y, 0, 0, 1);
  const Alignment own = align({&upright, 1}), found = align({&parted.pair, 1});
  sure = own.doubt.empty() && found.doubt.empty();
  absolute = corner_error(found.to_visible, parted.truth, size);
  return corner_error(found.to_visible, own.to_visible * to_part * parted.truth, size);
}

AlignmentPair real_pair(const std::string& set, const std::string& name) {
  const fs::path folder = fs::path(environment("DIGFUSION_TEST_DATA")) / "data" / set;
  CalibrateOptions options;
  options.visible = (folder / "visible" / name).string();
  options.infrared = (folder / "infrared" / name).string();
  return read_pairs(options)[0];
}

TEST(Align, FindsARealPair) {
  if (environment("DIGFUSION_TEST_DATA").empty())
    GTEST_SKIP() << "DIGFUSION_TEST_DATA isn't set: no real pairs here";
  bool sure = false;
  double absolute = 0;
  EXPECT_LT(real_error(real_pair("tno", "13.png"), 1, sure, absolute), 1);
  EXPECT_TRUE(sure);
}

TEST(Align, IsSureOfThermalCamerasWithAVisibleLensBeside) {
  const std::string data = environment("DIGFUSION_TEST_DATA");
  if (data.empty()) GTEST_SKIP() << "DIGFUSION_TEST_DATA isn't set: no real pairs here";
  for (const std::string name : {"05", "18"}) {
    CalibrateOptions options;
    options.visible = data + "/data/thermal16/" + name + ".visible.jpg";
    options.infrared = data + "/data/thermal16/" + name + ".png";
    const Alignment found = align(read_pairs(options));
    EXPECT_EQ(found.doubt, "") << name;
    EXPECT_GT(found.overlap, 0.9) << name;
  }
}

// The table of docs/cameras.md: --gtest_also_run_disabled_tests --gtest_filter='*FourthPair'
TEST(Align, DISABLED_PrintsWhatItFindsOfEveryFourthPair) {
  for (const auto& pattern : scene::pattern_table())
    for (const unsigned seed : {1u, 2u, 3u}) {
      const Parted parted = part(generated(pattern.value, seed), seed);
      const Alignment found = align({&parted.pair, 1});
      std::printf("%s/%u,%.2f,,%s\n", pattern.nick, seed,
                  corner_error(found.to_visible, parted.truth, parted.pair.infrared.size()),
                  found.doubt.empty() ? "sure" : "not sure");
    }
  const std::string data = environment("DIGFUSION_TEST_DATA");
  if (data.empty()) GTEST_SKIP() << "DIGFUSION_TEST_DATA isn't set: no real pairs here";
  for (const std::string set : {"tno", "msrs"}) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(fs::path(data) / "data" / set / "visible"))
      files.push_back(entry.path().filename());
    std::sort(files.begin(), files.end());
    for (std::size_t i = 0; i < files.size(); i += 4) {  // all would take an hour
      bool sure = false;
      double absolute = 0;
      const double error = real_error(real_pair(set, files[i].string()), unsigned(i), sure, absolute);
      std::printf("%s/%s,%.2f,%.2f,%s\n", set.c_str(), files[i].c_str(), error, absolute,
                  sure ? "sure" : "not sure");
      std::fflush(stdout);
    }
  }
}

cv::Mat board(cv::Size corners, int side, bool inverted) {
  cv::Mat picture(480, 640, CV_32F, cv::Scalar(inverted ? 60 : 200));
  for (int y = 0; y <= corners.height; ++y)
    for (int x = 0; x <= corners.width; ++x)
      if ((x + y) % 2 == 0)
        picture(cv::Rect(120 + x * side, 90 + y * side, side, side)).setTo(inverted ? 180 : 30);
  cv::GaussianBlur(picture, picture, {}, 1);
  return picture;
}

TEST(Checkerboard, GivesTheHomographyBetweenItsCorners) {
  const cv::Size corners(7, 5);
  for (const unsigned seed : {1u, 2u, 3u, 4u}) {
    const cv::Size size(320, 240);  // a smaller picture of the same field of view
    const cv::Matx33d half(2, 0, .5, 0, 2, .5, 0, 0, 1),
        truth = other_camera({640, 480}, {640, 480}, seed) * half;
    AlignmentPair pair{board(corners, 45, false), {}};
    cv::warpPerspective(board(corners, 45, true), pair.infrared, truth, size,
                        cv::INTER_AREA | cv::WARP_INVERSE_MAP, cv::BORDER_REPLICATE);
    const Alignment found = align_by_checkerboard({&pair, 1}, corners);
    EXPECT_LT(corner_error(found.to_visible, truth, size), 1.5) << seed;
    EXPECT_EQ(found.parts, 35);
    EXPECT_LT(found.residual, 0.5);
    EXPECT_EQ(found.doubt, "");
  }
}

TEST(Checkerboard, IsMissedWhereThereIsNone) {
  const AlignmentPair pair = generated(scene::Pattern::night, 1);
  EXPECT_THROW((void)align_by_checkerboard({&pair, 1}, {7, 5}), std::runtime_error);
}

class Calibrate : public ProgramTest {
 protected:
  static cv::Mat bytes(const cv::Mat& picture) {
    cv::Mat result;
    picture.convertTo(result, CV_8U);
    return result;
  }
};

TEST_F(Calibrate, WritesTheFileThatFuseReads) {
  const Parted parted = part(generated(scene::Pattern::night, 1), 1);
  const std::string visible = write("v.png", bytes(parted.pair.visible)),
                    infrared = write("i.png", bytes(parted.pair.infrared));
  const ProcessResult result = digfusion({"calibrate", "--visible", visible, "--infrared", infrared,
                                          "--output", at("pair.json"), "--picture", at("check.png")});
  expect_success(result);
  expect_part(result.out, "residual ");
  EXPECT_EQ(read_picture(at("check.png")).size(), cv::Size(3 * 480, 360));
  const auto registration = parse_registration(at("pair.json"));
  ASSERT_TRUE(registration);
  const cv::Size size = parted.pair.infrared.size();
  EXPECT_EQ(registration->infrared.size, (Size{size.width, size.height}));
  EXPECT_LT(corner_error(cv::Matx33d(registration->to_visible.data()), parted.truth, size), 2);
  const auto fused = [&](const Words& more) {
    Words words = {"fuse", "--visible", visible, "--infrared", infrared, "--output", at("f.png"), "--quiet"};
    words.insert(words.end(), more.begin(), more.end());
    expect_success(digfusion(words));
    return read_picture(at("f.png"));
  };
  EXPECT_FALSE(equal(fused({}), fused({"--registration", at("pair.json")})));
}

TEST_F(Calibrate, EndsWithThreeWhereItIsNotSure) {
  const std::string visible = write("v.png", bytes(generated(scene::Pattern::night, 1).visible)),
                    infrared = write("i.png", bytes(generated(scene::Pattern::still, 8).infrared));
  const ProcessResult result =
      digfusion({"calibrate", "--visible", visible, "--infrared", infrared, "--output", at("pair.json")});
  expect_failure(result, 3, {"not sure"});
  EXPECT_TRUE(fs::exists(at("pair.json")));
}

TEST_F(Calibrate, NamesWhatIsWrong) {
  const std::string good = write("v.png", picture(1)), out = at("pair.json");
  const auto calibrate = [&](const std::string& visible, const std::string& infrared,
                             const Words& more = {}) {
    Words words = {"calibrate", "--visible", visible, "--infrared", infrared, "--output", out};
    words.insert(words.end(), more.begin(), more.end());
    return digfusion(words);
  };
  expect_failure(calibrate(good, at("none.png")), 1, {"there is no file or folder", "none.png"});
  expect_failure(calibrate(good, folder.path.string()), 1, {"two pictures, two folders or two videos"});
  const std::string text = write("v.mp4", std::string("no video"));
  expect_failure(calibrate(text, text), 1, {"can't read", "v.mp4"});
  expect_failure(calibrate(good, good, {"--checkerboard", "9x"}), 2, {"--checkerboard", "9x6"});
  expect_failure(calibrate(good, good, {"--checkerboard", "9x6"}), 1,
                 {"no pair shows a checkerboard of 9x6"});
}

}  // namespace
}  // namespace digfusion::tools
