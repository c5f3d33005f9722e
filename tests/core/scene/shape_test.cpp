// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/scene/shape.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <string>

#include "core/scene/lettering.h"

namespace digfusion::scene {
namespace {

/// Area that a white shape covers on a black plane.
double painted_area(const Shape& shape, int width, int height) {
  const Grid grid = Grid::of_size(width, height);
  Plane light, luma;
  light.resize(width, height);
  luma.resize(width, height);
  std::fill(light.samples.begin(), light.samples.end(), 1.0f);
  Paint paint;
  paint.shape = shape;
  paint.material.luma = 0.5f;
  paint_luma(grid, std::span(&paint, 1), light, luma);
  double sum = 0;
  for (const float sample : luma.samples) sum += sample / 0.5;
  return sum * grid.step * grid.step;
}

TEST(Shape, CoversItsArea) {
  const double pi = std::numbers::pi;
  const Point corners[] = {{-0.2f, 0.3f}, {0.1f, 0.25f}, {0.2f, 0.6f}, {-0.1f, 0.7f}};
  double polygon = 0;
  for (int i = 0; i < 4; ++i)
    polygon += 0.5 * (corners[i].u * corners[(i + 1) % 4].v - corners[(i + 1) % 4].u * corners[i].v);
  for (const int height : {60, 241, 480}) {
    const int width = height * 4 / 3;
    SCOPED_TRACE(height);
    EXPECT_NEAR(painted_area(Shape::ellipse({0.013f, 0.5f}, {0.2f, 0.2f}), width, height), pi * 0.04, 0.001);
    EXPECT_NEAR(painted_area(Shape::box({0.017f, 0.51f}, {0.2f, 0.1f}), width, height), 0.08, 0.001);
    EXPECT_NEAR(painted_area(Shape::capsule({-0.2f, 0.4f}, {0.2f, 0.4f}, 0.1f, 0.1f), width, height),
                pi * 0.01 + 0.4 * 0.2, 0.001);
    EXPECT_NEAR(painted_area(Shape::polygon(corners), width, height), std::abs(polygon), 0.001);
  }
}

TEST(Shape, OutsideThePicturePaintsNothing) {
  EXPECT_EQ(painted_area(Shape::ellipse({5, 0.5f}, {0.2f, 0.2f}), 64, 48), 0);
  EXPECT_EQ(painted_area(Shape::box({-5, -7}, {0.2f, 0.2f}), 64, 48), 0);
}

TEST(Shape, HeatAndLightReachOnlyTheirCamera) {
  const Grid grid = Grid::of_size(64, 48);
  Plane light, luma, heat;
  for (Plane* plane : {&light, &luma, &heat}) {
    plane->resize(64, 48);
    std::fill(plane->samples.begin(), plane->samples.end(), 0.5f);
  }
  Paint hidden;
  hidden.shape = Shape::ellipse({0, 0.5f}, {0.2f, 0.2f});
  hidden.material.heat = 1;
  hidden.visible = 0;
  Paint shadow;
  shadow.shape = Shape::ellipse({0.4f, 0.5f}, {0.1f, 0.1f});
  shadow.light = -0.5f;
  const Paint paints[] = {hidden, shadow};
  paint_luma(grid, paints, light, luma);
  paint_heat(grid, paints, heat);
  EXPECT_FLOAT_EQ(luma.at(32, 24), 0.5f);
  EXPECT_FLOAT_EQ(heat.at(32, 24), 1.0f);
  EXPECT_FLOAT_EQ(luma.at(51, 24), 0.25f);
  EXPECT_FLOAT_EQ(heat.at(51, 24), 0.5f);
}

TEST(Lettering, EveryLetterAndDigitHasStrokesWithinItsLine) {
  for (const char letter : std::string("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")) {
    SCOPED_TRACE(letter);
    std::vector<Paint> paints;
    add_text(paints, std::string(1, letter), {0, 0}, 0.7f, {});
    EXPECT_GE(paints.size(), 2u);
    const float half_width = 0.5f * text_width("X", 0.7f);
    for (const Paint& paint : paints)
      for (const Point& end : {paint.shape.point[0], paint.shape.point[1]}) {
        EXPECT_LE(std::abs(end.u), half_width + 1e-5f);
        EXPECT_LE(std::abs(end.v), 0.35f + 1e-5f);
      }
  }
  std::vector<Paint> nothing;
  add_text(nothing, "  ", {0, 0}, 1, {});
  EXPECT_TRUE(nothing.empty());
}

}  // namespace
}  // namespace digfusion::scene
