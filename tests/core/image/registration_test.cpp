// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/registration.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <opencv2/calib3d.hpp>
#include <random>
#include <string>
#include <vector>

#include "core/interface/error.h"
#include "tests/core/metrics/temporary_folder.h"

namespace digfusion {
namespace {

void expect_refused(const std::string& text, const std::string& part) {
  try {
    (void)parse_registration(text);
    FAIL() << text << " is taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    const std::string what = error.what();
    EXPECT_EQ(what.find("registration"), 0u) << what;
    EXPECT_NE(what.find(part), std::string::npos) << what << "\nexpected: " << part;
  }
}

class RegistrationFile : public testing::Test {
 protected:
  std::string file(const std::string& text) const {
    const std::string path = (folder.path / "pair.json").string();
    std::ofstream(path) << text;
    return path;
  }
  const TemporaryFolder folder;
};

const std::string sizes =
    R"("visible": {"width": 640, "height": 480}, "infrared": {"width": 320, "height": 240})";

TEST(Registration, EmptyTextIsNone) { EXPECT_FALSE(parse_registration("")); }

TEST(Registration, NumbersTakeAnInfraredPixelToAVisibleOne) {
  const auto affine = parse_registration("2, 0, 10, 0, 2, -4");
  ASSERT_TRUE(affine);
  EXPECT_EQ(affine->to_visible, (Homography{2, 0, 10, 0, 2, -4, 0, 0, 1}));
  const auto p = PixelMap(*affine, {640, 480}, {320, 240}).to_infrared({30, 20});
  ASSERT_TRUE(p);
  EXPECT_NEAR(p->x, 10, 1e-12);
  EXPECT_NEAR(p->y, 12, 1e-12);
  EXPECT_EQ(parse_registration("1,2,3,4,5,6,.001,0,1")->to_visible,
            (Homography{1, 2, 3, 4, 5, 6, .001, 0, 1}));
}

TEST(Registration, WrongNumbersAreRefused) {
  expect_refused("1", "1 numbers; 6 (affine) or 9 (homography)");
  expect_refused("1,0,0,0,1,0,0", "7 numbers");
  expect_refused("1,0,0,2,0,0", "no inverse");
  expect_refused("1,0,nan,0,1,0", "isn't finite");
  expect_refused("1,0,0,0,1,", "can't be read");  // no numbers, so a file
  expect_refused("1 0 0 0 1 0", "can't be read");
}

TEST_F(RegistrationFile, OfWrongContentIsRefused) {
  expect_refused("nowhere/pair.json", "\"nowhere/pair.json\": can't be read");
  expect_refused(folder.path.string(), "can't be read");
  expect_refused(file(""), "not a JSON file");
  expect_refused(file("[1]"), "not a JSON file");
  expect_refused(file("{}"), "visible must be an object");
  expect_refused(file(R"({"visible": {"width": 0, "height": 1}})"), "visible.width");
  expect_refused(file(R"({"visible": {"width": 10}})"), "visible.height");
  expect_refused(file("{" + sizes + "}"), "needs one of homography and affine");
  const std::string affine = R"(, "affine": [[1, 0, 0], [0, 1, 0]])";
  expect_refused(file("{" + sizes + affine + R"(, "homography": 1})"), "needs one of");
  expect_refused(file("{" + sizes + R"(, "homography": [[1, 0, 0], [0, 1, 0]]})"), "list of 3 lists");
  expect_refused(file("{" + sizes + R"(, "affine": [[1, 0, 0], [0, "1", 0]]})"), "list of 2 lists");
  expect_refused(file("{" + sizes + R"(, "affine": [[1, 0, 0], [2, 0, 0]]})"), "no inverse");
  const auto with_lens = [&](const std::string& lens) {
    return file(R"({"infrared": {"width": 9, "height": 9}, "visible": {"width": 9, "height": 9, "lens": )" +
                lens + "}" + affine + "}");
  };
  expect_refused(with_lens("3"), "visible.lens must be an object");
  expect_refused(with_lens(R"({"model": "pinhole"})"), "visible.lens.model");
  expect_refused(with_lens("{}"), "camera_matrix");
  expect_refused(with_lens(R"({"camera_matrix": [[9, 1, 4], [0, 9, 4], [0, 0, 1]]})"), "camera_matrix");
  const std::string matrix = R"({"camera_matrix": [[9, 0, 4], [0, 9, 4], [0, 0, 1]])";
  expect_refused(with_lens(matrix + "}"), "distortion must be a list");
  expect_refused(with_lens(matrix + R"(, "distortion": [1, 2, 3]})"), "3 distortion numbers");
  expect_refused(with_lens(R"({"camera_matrix": [[-9, 0, 4], [0, 9, 4], [0, 0, 1]], "distortion": []})"),
                 "focal lengths above 0");
}

TEST_F(RegistrationFile, IsReadAsItWasWritten) {
  Registration r;
  r.to_visible = {2, .1, 10, -.1, 2.1, 5, 1e-5, 2e-5, 1};
  r.visible = {{640, 480}, Lens({LensModel::opencv, 500, 505, 320, 240, {-.2, .1, 1e-3, 2e-3, .01}})};
  r.infrared = {{160, 120}, Lens({LensModel::fisheye, 90, 91, 80, 60, {.01, .02, .03, .04}})};
  const auto read = parse_registration(file(to_json(r, R"({"residual_pixels": 0.5})")));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->to_visible, r.to_visible);
  EXPECT_EQ(read->visible.size, r.visible.size);
  EXPECT_EQ(read->infrared.size, r.infrared.size);
  EXPECT_EQ(read->visible.lens->parameters(), r.visible.lens->parameters());
  EXPECT_EQ(read->infrared.lens->parameters(), r.infrared.lens->parameters());
}

TEST_F(RegistrationFile, FitsPicturesOfAnotherSize) {
  const auto r = parse_registration(file("{" + sizes + R"(, "affine": [[2, 0, 0.5], [0, 2, 0.5]]})"));
  for (const auto& [visible, infrared] :
       {std::pair(Size{640, 480}, Size{320, 240}), std::pair(Size{1280, 240}, Size{80, 60})}) {
    const PixelMap map(*r, visible, infrared);
    for (const auto& [fx, fy] : {std::pair(0., 0.), std::pair(.3, .7), std::pair(1., 1.)}) {
      const auto p = map.to_infrared({fx * double(visible.width) - .5, fy * double(visible.height) - .5});
      ASSERT_TRUE(p);
      EXPECT_NEAR(p->x, fx * double(infrared.width) - .5, 1e-9);
      EXPECT_NEAR(p->y, fy * double(infrared.height) - .5, 1e-9);
    }
  }
}

TEST(Registration, SignAndScaleOfAHomographyDontMatter) {
  Registration r, other;
  r.to_visible = {1, .1, 5, -.1, 1.1, 7, 1e-4, 1e-4, 1};
  for (std::size_t i = 0; i < 9; ++i) other.to_visible[i] = -3 * r.to_visible[i];
  const PixelMap a(r, {100, 80}, {100, 80}), b(other, {100, 80}, {100, 80});
  for (const Point p : {Point{0, 0}, Point{50, 20}, Point{99, 79}}) {
    ASSERT_TRUE(a.to_infrared(p) && b.to_infrared(p));
    EXPECT_NEAR(a.to_infrared(p)->x, b.to_infrared(p)->x, 1e-9);
    EXPECT_NEAR(a.to_infrared(p)->y, b.to_infrared(p)->y, 1e-9);
  }
}

TEST(Registration, ShowsNothingBehindTheHorizon) {
  Registration r;
  r.to_visible = {1, 0, 0, 0, 1, 0, .02, 0, 1};  // x → x / (1 + x/50): never beyond 50
  const PixelMap map(r, {200, 80}, {200, 80});
  ASSERT_TRUE(map.to_infrared({49, 0}));
  EXPECT_NEAR(map.to_infrared({49, 0})->x, 2450, 1e-6);
  EXPECT_FALSE(map.to_infrared({51, 0}));
}

TEST(Registration, RandomHomographiesAreInverted) {
  std::mt19937 random(5);
  std::uniform_real_distribution<double> some(-.2, .2);
  for (int i = 0; i < 50; ++i) {
    Registration r;
    r.to_visible = {1 + some(random),    some(random),        50 * some(random),
                    some(random),        1 + some(random),    50 * some(random),
                    some(random) * 1e-3, some(random) * 1e-3, 1};
    const PixelMap map(r, {640, 480}, {640, 480});
    for (const Point p : {Point{0, 0}, Point{600, 10}, Point{320, 240}, Point{5, 470}}) {
      const auto there = mapped(r.to_visible, p);
      ASSERT_TRUE(there);
      const auto back = map.to_infrared(*there);
      ASSERT_TRUE(back);
      EXPECT_NEAR(back->x, p.x, 1e-8);
      EXPECT_NEAR(back->y, p.y, 1e-8);
    }
  }
}

/// Where OpenCV's own functions take undistorted pixels.
cv::Point2d distorted_by_opencv(const LensParameters& lens, cv::Point2d undistorted) {
  const cv::Matx33d k(lens.fx, 0, lens.cx, 0, lens.fy, lens.cy, 0, 0, 1);
  const double x = (undistorted.x - lens.cx) / lens.fx, y = (undistorted.y - lens.cy) / lens.fy;
  std::vector<cv::Point2d> out;
  if (lens.model == LensModel::fisheye)
    cv::fisheye::distortPoints(std::vector{cv::Point2d(x, y)}, out, k, lens.distortion);
  else
    cv::projectPoints(std::vector{cv::Point3d(x, y, 1)}, cv::Vec3d(), cv::Vec3d(), k, lens.distortion, out);
  return out[0];
}

TEST(Lens, IsOpenCvs) {
  const LensParameters lenses[] = {
      {LensModel::opencv, 500, 510, 310, 245, {-.25, .08, 1e-3, -2e-3}},
      {LensModel::opencv, 700, 690, 322, 238, {.1, -.05, -1e-3, 5e-4, .02}},
      {LensModel::opencv, 500, 500, 320, 240, {.3, .05, 1e-4, 1e-4, .01, .5, .1, .01}},
      {LensModel::opencv, 500, 500, 320, 240, {-.1, 0, 0, 0, 0, 0, 0, 0, 1e-3, 2e-3, -1e-3, 1e-3}},
      {LensModel::fisheye, 300, 301, 321, 239, {-.02, .005, -.002, .0003}}};
  for (const LensParameters& parameters : lenses) {
    const Lens lens(parameters);
    for (double y = 0; y < 480; y += 79)
      for (double x = 0; x < 640; x += 79) {
        const auto seen = lens.distort({x, y});
        ASSERT_TRUE(seen);
        const cv::Point2d expected = distorted_by_opencv(parameters, {x, y});
        EXPECT_NEAR(seen->x, expected.x, 1e-6);
        EXPECT_NEAR(seen->y, expected.y, 1e-6);
        const auto back = lens.undistort(*seen);
        ASSERT_TRUE(back) << x << ", " << y;
        EXPECT_NEAR(back->x, x, 1e-4);
        EXPECT_NEAR(back->y, y, 1e-4);
      }
  }
}

TEST(Lens, SeesNothingWhereItsPolynomialTurnsBack) {
  const Lens lens({LensModel::opencv, 100, 100, 100, 100, {-.3, 0, 0, 0}});  // rises to r = 1.054
  EXPECT_TRUE(lens.distort({204, 100}));
  EXPECT_FALSE(lens.distort({206, 100}));
  EXPECT_FALSE(lens.undistort({180, 100}));  // at most 100 · 1.054 · (1 - 0.3 · 1.111) = 70.3 from the centre
  EXPECT_TRUE(lens.undistort({170, 100}));
}

}  // namespace
}  // namespace digfusion
