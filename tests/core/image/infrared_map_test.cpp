// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/infrared_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ostream>
#include <random>
#include <string>

#include "core/interface/error.h"

namespace digfusion {

void PrintTo(const Box& b, std::ostream* out) {
  *out << b.left << ".." << b.right << " × " << b.top << ".." << b.bottom;
}

namespace {

constexpr Grid wide{{640, 480}}, small{{320, 240}}, square{{200, 200}};

Parameters with(InfraredFit fit) {
  Parameters p;
  p.infrared_fit = fit;
  return p;
}

std::optional<Registration> parsed(const std::string& text) { return parse_registration(text); }

void expect_near(const std::optional<Box>& box, const Box& expected, double within = 1e-6) {
  ASSERT_TRUE(box);
  EXPECT_NEAR(box->left, expected.left, within);
  EXPECT_NEAR(box->top, expected.top, within);
  EXPECT_NEAR(box->right, expected.right, within);
  EXPECT_NEAR(box->bottom, expected.bottom, within);
}

TEST(InfraredMap, OfOneShapeOnlyScales) {
  const InfraredMap map({}, {}, wide, small);
  expect_near(map.to_visible(Box{10, 20, 30, 50}), {20, 40, 60, 100});
  const auto p = map.to_infrared(Point{640, 480});
  ASSERT_TRUE(p);
  EXPECT_NEAR(p->x, 320, 1e-9);
  EXPECT_NEAR(p->y, 240, 1e-9);
}

TEST(InfraredMap, AgreesWithPlaceForEveryFit) {
  for (const InfraredFit fit : {InfraredFit::contain, InfraredFit::cover, InfraredFit::stretch}) {
    const InfraredMap map(with(fit), {}, wide, square);
    const Placement p = place(200, 200, 1, 640, 480, 1, fit);
    // The middle half lies within the visible picture whatever the fit.
    expect_near(map.to_visible(Box{80, 80, 120, 120}),
                {double(p.x) + .4 * double(p.width), double(p.y) + .4 * double(p.height),
                 double(p.x) + .6 * double(p.width), double(p.y) + .6 * double(p.height)});
  }
}

TEST(InfraredMap, IsClippedToTheVisiblePicture) {
  const InfraredMap map(with(InfraredFit::cover), {}, wide, square);  // 640×640, 80 rows hidden above
  expect_near(map.to_visible(Box{0, 0, 200, 200}), {0, 0, 640, 480});
  EXPECT_FALSE(map.to_visible(Box{50, 0, 60, 20}));
  EXPECT_FALSE(map.to_visible(Point{55, 10}));
  EXPECT_TRUE(map.to_visible(Point{55, 30}));
}

TEST(InfraredMap, HasNothingBesideAContainedPicture) {
  const InfraredMap map(with(InfraredFit::contain), {}, wide, square);  // 480×480 in the middle
  EXPECT_FALSE(map.to_infrared(Point{70, 240}));
  const auto p = map.to_infrared(Point{80 + 240, 240});
  ASSERT_TRUE(p);
  EXPECT_NEAR(p->x, 100, 1e-9);
  EXPECT_NEAR(p->y, 100, 1e-9);
}

TEST(InfraredMap, CountsFromTheWholePictureBeforeTheCrop) {
  Parameters p;
  p.crop_top = 40;
  p.crop_bottom = 40;
  p.crop_left = 60;
  p.crop_right = 100;  // 160×160 of 320×240 remain
  const InfraredMap map(p, {}, {{320, 320}}, small);
  expect_near(map.to_visible(Box{60, 40, 70, 50}), {0, 0, 20, 20});
  expect_near(map.to_visible(Box{0, 0, 70, 50}), {0, 0, 20, 20});
  EXPECT_FALSE(map.to_visible(Box{0, 0, 60, 240})) << "wholly cropped away";
  const auto back = map.to_infrared(Point{0, 0});
  ASSERT_TRUE(back);
  EXPECT_NEAR(back->x, 60, 1e-9);
  EXPECT_NEAR(back->y, 40, 1e-9);
  p.crop_left = 320;
  EXPECT_THROW(InfraredMap(p, {}, wide, small), Error);
}

TEST(InfraredMap, FollowsARegistrationInPixelCentres) {
  // Twice as large, then moved: pixel 0's centre to pixel (10.5, 20.5)'s.
  const InfraredMap map({}, parsed("2,0,10.5,0,2,20.5"), wide, small);
  expect_near(map.to_visible(Box{0, 0, 1, 1}), {10, 20, 12, 22});
  expect_near(map.to_visible(Box{300, 200, 320, 240}), {610, 420, 640, 480});
}

TEST(InfraredMap, TurnsWithARotation) {
  const double a = 10 * M_PI / 180, c = std::cos(a), s = std::sin(a);
  const std::string text = std::to_string(c) + "," + std::to_string(-s) + ",100," + std::to_string(s) + "," +
                           std::to_string(c) + ",50";
  const InfraredMap map({}, parsed(text), wide, small);
  const auto box = map.to_visible(Box{50.5, 60.5, 90.5, 80.5});  // corners are (50, 60), (90, 80)
  expect_near(
      box, {50 * c - 80 * s + 100.5, 50 * s + 60 * c + 50.5, 90 * c - 60 * s + 100.5, 90 * s + 80 * c + 50.5},
      1e-3);
}

TEST(InfraredMap, IsTurnedAboutTheCentreAndMovedByRefinement) {
  const InfraredMap moved({}, {}, wide, small, {3, -2, 0});
  expect_near(moved.to_visible(Box{10, 20, 30, 50}), {23, 38, 63, 98});
  const InfraredMap turned({}, {}, wide, small, {0, 0, 90});  // clockwise: what was right is below
  expect_near(turned.to_visible(Box{160, 115, 200, 125}), {310, 240, 330, 320});
  const InfraredMap both({}, parsed("2,0,0.5,0,2,0.5"), wide, small, {5, 4, 2});
  const auto there = both.to_visible(Point{100, 90});
  ASSERT_TRUE(there);
  const auto back = both.to_infrared(*there);
  ASSERT_TRUE(back);
  EXPECT_NEAR(back->x, 100, 1e-9);
  EXPECT_NEAR(back->y, 90, 1e-9);
}

TEST(InfraredMap, ThereAndBackIsWhereItWasWithLensesAndAHomography) {
  Registration r;
  r.to_visible = {-1.02, -.03, -14, .02, -.98, 9, -2e-5, 1e-5, -1};  // of the other sign
  r.visible = {{640, 480}, Lens({LensModel::opencv, 600, 600, 320, 240, {-.1, .02, .001, 0, 0}})};
  r.infrared = {{320, 240}, Lens({LensModel::fisheye, 300, 300, 160, 120, {.01, .002, 0, 0}})};
  const InfraredMap map({}, r, wide, small);
  std::mt19937 random(1);
  std::uniform_real_distribution<double> x(20, 300), y(20, 220);
  int seen = 0;
  for (int i = 0; i < 200; ++i) {
    const Point from{x(random), y(random)};
    const auto there = map.to_visible(from);
    if (!there) continue;
    const auto back = map.to_infrared(*there);
    ASSERT_TRUE(back);
    EXPECT_NEAR(back->x, from.x, 1e-4);
    EXPECT_NEAR(back->y, from.y, 1e-4);
    ++seen;
  }
  EXPECT_GT(seen, 100);
}

// What fuse() samples where: RemapTable asks PixelMap of the same registration for each visible pixel.
TEST(InfraredMap, ABoxHoldsExactlyThePixelsThatSampleTheRegion) {
  const auto registration = parsed("1.1,0.1,-20,-0.05,1.2,15,1e-4,-5e-5,1");
  const InfraredMap map({}, registration, wide, small);
  const PixelMap pixels(*registration, wide.size, small.size);
  const Box region{100, 90, 160, 130};
  Box found{1e9, 1e9, -1e9, -1e9};
  for (int y = 0; y < 480; ++y)
    for (int x = 0; x < 640; ++x) {
      const auto p = pixels.to_infrared({double(x), double(y)});
      if (!p || p->x + .5 < region.left || p->x + .5 > region.right || p->y + .5 < region.top ||
          p->y + .5 > region.bottom)
        continue;
      found = {std::min(found.left, x + .5), std::min(found.top, y + .5), std::max(found.right, x + .5),
               std::max(found.bottom, y + .5)};
    }
  expect_near(map.to_visible(region), found, 1.5);
}

}  // namespace
}  // namespace digfusion
