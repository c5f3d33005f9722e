// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Street's shapes: windows, shop, signs and lamps, and the light that they give.
#include <cmath>
#include <initializer_list>

#include "core/scene/lettering.h"
#include "core/scene/noise.h"
#include "core/scene/street.h"

namespace digfusion::scene {
namespace {

constexpr float lamp_places[] = {-1.15f, 0.135f, 0.635f, 1.3f};
constexpr float lamp_top = 0.175f, lamp_foot = 0.625f, lamp_reach = 0.05f;
constexpr Point sun = {0.165f, 0.285f};
constexpr Point shop_window = {-0.175f, 0.488f}, shop_half = {0.145f, 0.072f};

Paint paint(const Shape& shape, const Material& material) {
  Paint result;
  result.shape = shape;
  result.material = material;
  return result;
}

float gauss(float x, float width) { return std::exp(-(x / width) * (x / width)); }

}  // namespace

Street::Light Street::light(float u, float v) const {
  float day = look_.daylight;
  // The house stands between the low sun and its own front; its shadow falls on the pavement.
  const float shadow_end = 0.06f + 0.35f * std::max(v - house_foot, 0.0f);
  const float in_shadow =
      (1 - smoothstep(shadow_end, shadow_end + 0.02f, u)) * (1 - smoothstep(0.655f, 0.668f, v));
  day *= lerp(1.0f, look_.shade, in_shadow);
  day *= 1 - 0.10f * smoothstep(0.85f, 1.05f, v);
  float lamps = 0;
  if (look_.lamps > 0) {
    for (const float place : lamp_places) {
      const float du = u - place - lamp_reach;
      lamps += look_.lamps * gauss(du, 0.27f) * gauss(v - 0.675f, 0.085f);
      lamps += 0.55f * look_.lamps * gauss(std::hypot(du, 0.8f * (v - lamp_top)), 0.17f);
    }
    lamps += 0.5f * look_.windows * gauss(u - shop_window.u, 0.20f) * gauss(v - 0.63f, 0.05f);
  }
  const float level = day + lamps;
  return {level, lamps / level};
}

void Street::add_windows(std::vector<Paint>& paints) const {
  struct Opening {
    Point centre, half;
  };
  static constexpr Opening openings[] = {
      {{-0.80f, 0.225f}, {0.047f, 0.072f}}, {{-0.62f, 0.225f}, {0.047f, 0.072f}},
      {{-0.44f, 0.225f}, {0.047f, 0.072f}}, {{-0.26f, 0.225f}, {0.047f, 0.072f}},
      {{-0.08f, 0.225f}, {0.047f, 0.072f}}, {{-0.80f, 0.478f}, {0.050f, 0.066f}},
      {{-0.60f, 0.478f}, {0.050f, 0.066f}},
  };
  std::int32_t number = 0;
  for (const auto& [centre, half] : openings) {
    const bool lit = number == 2 || number == 5 || unit(number, 3, seed_ ^ 0x117U) < 0.4f;
    const float shine = lit ? look_.windows : 0.0f;
    ++number;
    const Material frame = {.luma = 0.72f, .cb = -0.01f, .cr = 0.01f, .ambient = 0.36f};
    paints.push_back(paint(Shape::box(centre, half + Point{0.007f, 0.007f}), frame));
    Material glass = {.luma = 0.13f,
                      .cb = 0.02f,
                      .cr = -0.01f,
                      .emission = 0.08f * look_.sky_horizon,
                      .heat = lit ? 0.05f : 0.0f,
                      .ambient = 0.215f};
    if (shine > 0) {
      glass.emission = shine;
      glass.cb = -0.14f * std::min(1.4f * shine, 1.0f);
      glass.cr = 0.07f * std::min(1.4f * shine, 1.0f);
    }
    paints.push_back(paint(Shape::box(centre, half), glass));
    if (lit) {  // curtains
      for (const float side : {-1.0f, 1.0f}) {
        Material curtain = {.luma = 0.35f,
                            .cb = -0.07f * std::min(1.4f * shine, 1.0f),
                            .cr = 0.06f,
                            .emission = 0.55f * shine,
                            .heat = 0.04f,
                            .ambient = 0.22f,
                            .grain = 0.35f,
                            .rough = 60.0f};
        const Point corners[] = {
            centre + Point{side * half.u, -half.v}, centre + Point{side * half.u * 0.35f, -half.v},
            centre + Point{side * half.u * 0.72f, half.v}, centre + Point{side * half.u, half.v}};
        Paint drape = paint(Shape::polygon(corners), curtain);
        drape.thermal = 0;
        paints.push_back(drape);
      }
    } else {  // a reflection
      const Point corners[] = {centre + Point{-0.6f * half.u, half.v}, centre + Point{0.1f * half.u, -half.v},
                               centre + Point{0.6f * half.u, -half.v},
                               centre + Point{-0.1f * half.u, half.v}};
      Paint reflection =
          paint(Shape::polygon(corners),
                {.luma = 0.2f, .cb = 0.03f, .cr = -0.01f, .emission = 0.16f * look_.sky_horizon});
      reflection.thermal = 0;
      paints.push_back(reflection);
    }
    paints.push_back(paint(Shape::box(centre, {0.0035f, half.v}), frame));
    paints.push_back(paint(Shape::box(centre - Point{0, 0.3f * half.v}, {half.u, 0.003f}), frame));
    paints.push_back(paint(Shape::box(centre + Point{0, half.v + 0.012f}, {half.u + 0.014f, 0.006f}),
                           {.luma = 0.58f, .ambient = 0.37f}));
  }
}

void Street::add_shop(std::vector<Paint>& paints) const {
  static constexpr const char* names[] = {"CORNER CAFE", "BOOKSHOP 24", "CITY BAKERY", "MUSIC HOUSE"};
  struct Colour {
    float luma, cb, cr;
  };
  static constexpr Colour colours[] = {
      {0.16f, 0.02f, -0.07f}, {0.17f, -0.02f, 0.12f}, {0.15f, 0.11f, -0.04f}};
  const Colour colour = colours[mix(seed_ ^ 0xc01U) % 3];
  const Material wood = {.luma = colour.luma, .cb = colour.cb, .cr = colour.cr, .ambient = 0.33f};
  paints.push_back(paint(Shape::box({-0.205f, 0.479f}, {0.188f, 0.126f}), wood));
  // The name board is one sheet of metal: its letters are paint, which the infrared camera doesn't see.
  Material board = wood;
  board.luma *= 0.8f;
  board.ambient = 0.30f;
  paints.push_back(paint(Shape::box({-0.205f, 0.381f}, {0.192f, 0.027f}, 0.003f), board));
  Paint letter = paint({}, {.luma = 0.86f, .cb = -0.06f, .cr = 0.02f, .emission = 0.55f * look_.lamps});
  letter.thermal = 0;
  add_text(paints, names[mix(seed_ ^ 0x7e87U) % 4], {-0.205f, 0.381f}, 0.03f, letter);

  const float shine = look_.windows;
  paints.push_back(
      paint(Shape::box(shop_window, shop_half), {.luma = 0.17f,
                                                 .cb = -0.12f * std::min(shine * 3, 1.0f),
                                                 .cr = 0.055f * std::min(shine * 3, 1.0f),
                                                 .emission = 0.85f * shine + 0.05f * look_.sky_horizon,
                                                 .heat = 0.06f,
                                                 .ambient = 0.22f}));
  for (int i = 0; i < 12; ++i) {  // goods on two shelves
    const float across = -1 + 2 * (static_cast<float>(i % 6) + 0.5f) / 6;
    const float size = 0.010f + 0.010f * unit(i, 5, seed_);
    const float shelf = i < 6 ? -0.012f : 0.052f;
    Material goods = {.luma = 0.25f + 0.5f * unit(i, 6, seed_),
                      .cb = 0.2f * (unit(i, 7, seed_) - 0.6f),
                      .cr = 0.2f * (unit(i, 8, seed_) - 0.4f),
                      .emission = shine * (0.15f + 0.5f * unit(i, 9, seed_))};
    Paint thing = paint(Shape::box(shop_window + Point{0.9f * across * shop_half.u, shelf - size},
                                   {0.8f * size, size}, 0.3f * size),
                        goods);
    thing.thermal = 0;
    paints.push_back(thing);
  }
  for (const float shelf : {-0.009f, 0.055f}) {
    Paint plank =
        paint(Shape::box(shop_window + Point{0, shelf}, {shop_half.u, 0.003f}), {.luma = 0.3f, .cr = 0.03f});
    plank.thermal = 0;
    paints.push_back(plank);
  }
  for (const float bar : {-0.048f, 0.048f})
    paints.push_back(paint(Shape::box(shop_window + Point{bar, 0}, {0.003f, shop_half.v}), wood));

  // The door, with a warm gap at its foot, and a ventilator that blows warm air.
  const Point door = {-0.358f, 0.508f};
  paints.push_back(paint(Shape::box(door, {0.032f, 0.096f}),
                         {.luma = 0.24f, .cb = colour.cb, .cr = colour.cr, .heat = 0.04f, .ambient = 0.34f}));
  paints.push_back(paint(
      Shape::box(door - Point{0, 0.03f}, {0.022f, 0.05f}),
      {.luma = 0.15f, .cb = -0.1f, .cr = 0.05f, .emission = 0.7f * shine, .heat = 0.05f, .ambient = 0.23f}));
  paints.push_back(
      paint(Shape::box(door + Point{0, 0.093f}, {0.032f, 0.003f}), {.luma = 0.1f, .heat = 0.2f}));
  paints.push_back(paint(Shape::ellipse(door + Point{0.025f, 0.015f}, {0.004f, 0.004f}),
                         {.luma = 0.8f, .cb = -0.1f, .cr = 0.04f, .ambient = 0.3f}));
  const Point vent = {-0.475f, 0.455f};
  paints.push_back(paint(Shape::box(vent, {0.024f, 0.02f}, 0.004f),
                         {.luma = 0.42f, .heat = 0.48f, .ambient = 0.34f, .roundness = 0.4f}));
  for (int i = -1; i <= 1; ++i)
    paints.push_back(paint(Shape::box(vent + Point{0, 0.011f * static_cast<float>(i)}, {0.019f, 0.0025f}),
                           {.luma = 0.12f, .heat = 0.62f}));
}

void Street::add_signs(std::vector<Paint>& paints) const {
  const Material steel = {.luma = 0.45f, .cb = 0.01f, .ambient = 0.26f, .roundness = 0.5f};
  // A speed limit, and an arrowless street name below it, both one sheet for the infrared camera.
  const Point disc = {0.305f, 0.405f};
  paints.push_back(paint(Shape::capsule({disc.u, 0.37f}, {disc.u, 0.622f}, 0.0042f, 0.0042f), steel));
  const Paint face = paint(Shape::ellipse(disc, {0.037f, 0.037f}),
                           {.luma = 0.42f, .cb = -0.09f, .cr = 0.30f, .ambient = 0.25f});
  paints.push_back(face);
  Paint white = paint(Shape::ellipse(disc, {0.028f, 0.028f}), {.luma = 0.92f});
  white.thermal = 0;
  paints.push_back(white);
  Paint black = paint({}, {.luma = 0.04f});
  black.thermal = 0;
  add_text(paints, "30", disc, 0.028f, black);
  const Point plate = {disc.u, 0.463f};
  paints.push_back(paint(Shape::box(plate, {0.068f, 0.0145f}, 0.004f),
                         {.luma = 0.26f, .cb = 0.19f, .cr = -0.09f, .ambient = 0.25f}));
  Paint letter = paint({}, {.luma = 0.93f});
  letter.thermal = 0;
  static constexpr const char* streets[] = {"MILL LANE", "PARK ROAD", "HIGH ST", "OAK AVENUE"};
  add_text(paints, streets[mix(seed_ ^ 0x57eeU) % 4], plate, 0.0155f, letter);

  // A litter bin and a bench in the park.
  paints.push_back(paint(Shape::box({0.085f, 0.604f}, {0.016f, 0.026f}, 0.004f),
                         {.luma = 0.20f, .cb = -0.04f, .cr = -0.04f, .ambient = 0.30f, .roundness = 0.3f}));
  for (const float rail : {0.545f, 0.556f, 0.570f})
    paints.push_back(paint(Shape::box({0.365f, rail}, {0.055f, 0.0035f}),
                           {.luma = 0.33f, .cb = -0.05f, .cr = 0.06f, .ambient = 0.33f}));
  for (const float leg : {0.325f, 0.405f})
    paints.push_back(paint(Shape::box({leg, 0.568f}, {0.003f, 0.024f}), {.luma = 0.12f, .ambient = 0.30f}));
}

void Street::add_lamp(std::vector<Paint>& paints, float u) const {
  const Material pole = {.luma = 0.16f, .cb = 0.01f, .cr = -0.02f, .ambient = 0.27f, .roundness = 0.4f};
  const float on = std::min(look_.lamps * 2, 1.0f);
  paints.push_back(paint(Shape::capsule({u, lamp_top}, {u, lamp_foot}, 0.0042f, 0.0062f), pole));
  paints.push_back(paint(Shape::capsule({u, lamp_foot - 0.04f}, {u, lamp_foot}, 0.009f, 0.011f), pole));
  paints.push_back(
      paint(Shape::capsule({u, lamp_top}, {u + lamp_reach, lamp_top - 0.012f}, 0.0042f, 0.0035f), pole));
  paints.push_back(paint(Shape::capsule({u + lamp_reach - 0.012f, lamp_top - 0.012f},
                                        {u + lamp_reach + 0.026f, lamp_top - 0.010f}, 0.0105f, 0.008f),
                         {.luma = 0.2f, .heat = 0.75f * on, .ambient = 0.28f}));
  paints.push_back(paint(
      Shape::ellipse({u + lamp_reach + 0.006f, lamp_top - 0.002f}, {0.017f, 0.0065f}),
      {.luma = 0.55f, .cb = -0.08f, .cr = 0.03f, .emission = on, .heat = 0.85f * on, .ambient = 0.28f}));
}

std::vector<Paint> Street::fittings() const {
  std::vector<Paint> paints;
  add_windows(paints);
  add_shop(paints);
  add_signs(paints);
  for (const float place : lamp_places) add_lamp(paints, place);
  return paints;
}

std::vector<Glow> Street::glows() const {
  std::vector<Glow> glows;
  if (look_.lamps > 0)
    for (const float place : lamp_places)
      glows.push_back({{place + lamp_reach, lamp_top}, 0.85f * look_.lamps, 0.06f});
  if (look_.sun > 0) {
    // The sun itself, its veil, and the reflections between the lens elements on the line through the middle.
    glows.push_back({sun, 3.5f * look_.sun, 0.055f});
    glows.push_back({sun, 0.88f * look_.sun, 0.36f});
    for (const float along : {0.55f, 1.35f, 1.8f}) {
      const Point ghost = {sun.u * (1 - along), sun.v + (0.5f - sun.v) * along};
      glows.push_back({ghost, 0.13f * look_.sun, 0.035f + 0.03f * along});
    }
  }
  return glows;
}

}  // namespace digfusion::scene
