// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/scene/street.h"

#include <cmath>

#include "core/scene/noise.h"

namespace digfusion::scene {
namespace {

constexpr float house_left = -0.93f, house_right = 0.03f, house_top = 0.075f;
constexpr Point great_tree = {0.475f, 0.255f};
constexpr float great_tree_size = 0.185f;

/// Share of the interval x ± width/2 that lies within one of the bars [k·period, k·period + bar].
float bars(float x, float period, float bar, float width) {
  const auto covered = [&](float at) {
    const float turns = std::floor(at / period);
    return turns * bar + std::min(at - turns * period, bar);
  };
  return (covered(x + 0.5f * width) - covered(x - 0.5f * width)) / width;
}

/// How much of a pixel lies below `edge` (towards larger values of `value`).
float beyond(float value, float edge, float step) {
  return std::clamp((value - edge) / step + 0.5f, 0.0f, 1.0f);
}

float inside(float value, float low, float high, float step) {
  return beyond(value, low, step) * (1 - beyond(value, high, step));
}

void cover(Material& under, const Material& over, float alpha) {
  under.luma = lerp(under.luma, over.luma, alpha);
  under.cb = lerp(under.cb, over.cb, alpha);
  under.cr = lerp(under.cr, over.cr, alpha);
  under.emission = lerp(under.emission, over.emission, alpha);
  under.heat = lerp(under.heat, over.heat, alpha);
  under.ambient = lerp(under.ambient, over.ambient, alpha);
}

}  // namespace

Material Street::sky(float u, float v, float step) const {
  const float height = std::clamp(v / horizon, -0.5f, 1.0f);
  const float clouds = fbm(u, v * 2.2f, 2.3f, 5, step, seed_ ^ 0xc10dU);
  const float cloud = smoothstep(-0.05f, 0.55f, clouds);
  Material m;
  m.emission = lerp(look_.sky_top, look_.sky_horizon, std::max(height, 0.0f));
  m.emission += cloud * 0.22f * (0.95f - m.emission) * (0.3f + look_.daylight);
  m.cb = 0.11f * look_.blueness * (1 - 0.6f * height) * (1 - 0.7f * cloud);
  m.cr = -0.06f * look_.blueness * (1 - 0.6f * height) * (1 - 0.7f * cloud);
  if (!look_.moving) {  // the last red of the day
    m.cr += 0.10f * smoothstep(0.3f, 1.0f, height);
    m.cb -= 0.10f * smoothstep(0.4f, 1.0f, height);
  }
  m.ambient = lerp(0.05f, 0.17f, std::max(height, 0.0f)) + 0.05f * cloud;
  return m;
}

void Street::add_skyline(Material& seen, float u, float v, float step) const {
  if (v > 0.49f || u < house_right - 0.1f) return;
  for (int layer = 0; layer < 2; ++layer) {
    const float width = layer == 0 ? 0.083f : 0.125f;
    const float at = u / width + 0.37f * static_cast<float>(layer);
    const auto block = static_cast<std::int32_t>(std::floor(at));
    const float tall = unit(block, layer, seed_ ^ 0x5c1eU);
    const float top = (layer == 0 ? 0.37f : 0.415f) - (layer == 0 ? 0.13f : 0.07f) * tall * tall;
    const float alpha = beyond(v, top, step);
    if (alpha <= 0) continue;
    Material m;
    const float haze = layer == 0 ? 0.75f : 0.5f;
    m.luma = 0.30f + 0.22f * haze + 0.05f * unit(block, 7, seed_);
    m.cb = 0.02f * haze;
    m.emission = 0.22f * haze * look_.sky_horizon;
    m.ambient = 0.21f + 0.05f * unit(block, 9, seed_) - 0.03f * haze;
    const float across = (at - std::floor(at)) * width;
    const float pane =
        bars(across - 0.006f, 0.0135f, 0.006f, step) * bars(v - top - 0.008f, 0.0155f, 0.007f, step);
    const auto column =
        static_cast<std::int32_t>((across - 0.006f) / 0.0135f + 64 * static_cast<float>(block));
    const auto row = static_cast<std::int32_t>((v - top - 0.008f) / 0.0155f);
    const bool lit = unit(column, row, seed_ ^ 0x111U) < 0.28f;
    m.luma *= 1 - 0.16f * pane;
    if (lit) {
      m.emission += pane * 0.55f * look_.windows;
      m.cb -= pane * 0.10f * look_.windows;
      m.cr += pane * 0.05f * look_.windows;
    }
    cover(seen, m, alpha);
  }
}

Material Street::facade(float u, float v, float step) const {
  // Bricks in stretcher bond; courses above the plinth, a cornice on top.
  constexpr float brick_height = 0.0165f, brick_width = 0.044f, joint = 0.0026f;
  const auto course = static_cast<std::int32_t>(std::floor(v / brick_height));
  const float shifted = u + (course & 1 ? 0.5f * brick_width : 0.0f);
  const auto brick = static_cast<std::int32_t>(std::floor(shifted / brick_width));
  const float mortar = std::max(bars(v, brick_height, joint, step), bars(shifted, brick_width, joint, step));
  const float seen = resolved(0.35f / brick_height, step);  // of a single brick
  const float tint = seen * (unit(brick, course, seed_ ^ 0xb71cU) - 0.5f);
  const float weather = fbm(u, v, 5.0f, 3, step, seed_ ^ 0x3a7U);
  const float rough = fbm(u, v, 130.0f, 2, step, seed_ ^ 0x91U);
  Material m;
  m.luma = 0.37f * (1 + 0.42f * tint + 0.14f * weather + 0.16f * rough);
  m.cb = -0.055f - 0.02f * tint;
  m.cr = 0.095f + 0.05f * tint;
  m.ambient = 0.335f + 0.03f * tint + 0.03f * weather + 0.012f * rough;
  cover(m,
        {.luma = 0.50f * (1 + 0.12f * weather + 0.1f * rough),
         .cb = -0.015f,
         .cr = 0.015f,
         .ambient = 0.36f + 0.02f * weather},
        mortar);
  // Stone: plinth, string course, cornice.
  const Material stone = {.luma = 0.52f * (1 + 0.15f * weather + 0.12f * rough),
                          .cb = -0.02f,
                          .cr = 0.02f,
                          .ambient = 0.355f + 0.03f * weather};
  cover(m, stone, beyond(v, house_foot - 0.032f, step));
  cover(m, stone, inside(v, 0.333f, 0.346f, step));
  cover(m, stone, 1 - beyond(v, house_top + 0.028f, step));
  const float under =
      inside(v, 0.346f, 0.352f, step) + inside(v, house_top + 0.028f, house_top + 0.036f, step);
  m.luma *= 1 - 0.45f * under;
  m.ambient += look_.warmth * 0.2f;
  return m;
}

Material Street::ground(float u, float v, float step) const {
  // The ground plane in perspective: depth in multiples of the camera's height.
  const float depth = 0.16f / std::max(v - horizon, 0.004f), across = u * depth;
  const float wide = step * depth, deep = std::max(step * depth * depth / 0.16f, 1e-6f);
  const float fine = fbm(u, v * 1.8f, 110.0f, 3, step * 1.8f, seed_ ^ 0x40adU),
              patchy = fbm(across, depth * 2, 3.0f, 3, wide, seed_);
  const auto lawn = [&] {
    const float blades = fbm(u * 2.2f, v, 70.0f, 4, step * 2.2f, seed_ ^ 0x6ea5U);
    return Material{.luma = 0.30f * (1 + 0.5f * blades + 0.25f * patchy),
                    .cb = -0.105f,
                    .cr = -0.055f + 0.03f * patchy,
                    .ambient = 0.27f + 0.05f * blades + 0.02f * patchy + 0.3f * look_.warmth};
  };
  // The park's lawn, the pavement, the kerb, the road, and a lawn again: most pixels see only one of them.
  const float path_edge = house_foot - 0.012f * smoothstep(house_right, house_right + 0.02f, u);
  const float paved = beyond(v, path_edge, step), asphalt = beyond(v, kerb + 0.013f, step);
  Material m;
  if (paved < 1) m = lawn();
  if (paved > 0 && asphalt < 1) {
    Material paving;
    const auto slab_row = static_cast<std::int32_t>(std::floor(depth / 0.085f));
    const auto slab_column = static_cast<std::int32_t>(std::floor(across / 0.14f + 0.5f * (slab_row & 1)));
    const float joints =
        std::max(bars(depth, 0.085f, 0.006f, deep),
                 bars(across + 0.07f * static_cast<float>(slab_row & 1), 0.14f, 0.005f, wide));
    paving.luma = 0.47f * (1 + 0.10f * patchy + 0.14f * fine) * (1 - 0.45f * joints) *
                  (1 + 0.16f * (unit(slab_column, slab_row, seed_ ^ 0x51abU) - 0.5f));
    paving.cb = -0.012f;
    paving.cr = 0.012f;
    paving.ambient = 0.385f + 0.02f * patchy + 0.02f * fine - 0.02f * joints + look_.warmth;
    cover(m, paving, paved);
    const Material edge = {.luma = 0.56f * (1 + 0.1f * fine), .ambient = 0.37f + 0.6f * look_.warmth};
    cover(m, edge, inside(v, kerb, kerb + 0.006f, step));
    cover(m, {.luma = 0.30f * (1 + 0.2f * fine), .ambient = 0.36f}, beyond(v, kerb + 0.006f, step));
  }
  if (asphalt > 0) {
    Material road;
    road.luma = 0.235f * (1 + 0.16f * patchy + 0.45f * fine);
    road.cb = 0.008f;
    road.ambient = 0.43f + 0.025f * patchy + 0.02f * fine + 1.3f * look_.warmth;
    // Tyres have polished and warmed their tracks; a worn dashed line lies between the lanes.
    for (const float track : {0.725f, 0.755f, 0.80f, 0.86f}) {
      const float off = (v - track) / 0.012f;
      road.ambient += 0.018f * std::exp(-off * off);
    }
    const float dash = inside(v, 0.774f, 0.783f, step) *
                       smoothstep(0.0f, 0.02f, std::abs(u / 0.24f - std::floor(u / 0.24f) - 0.5f) - 0.22f);
    cover(road, {.luma = 0.68f * (1 + 0.3f * fine), .cb = -0.01f, .ambient = 0.40f}, 0.85f * dash);
    cover(m, road, asphalt);
  }
  if (v > lawn_edge - 0.03f) {
    const float tuft = lawn_edge + 0.014f * fbm(u, 0.3f, 34.0f, 3, step, seed_ ^ 0x7f1U);
    const float grown = beyond(v, tuft, step);
    if (grown > 0) cover(m, lawn(), grown);
  }
  return m;
}

void Street::add_tree(Material& seen, float u, float v, float step, Point crown, float size,
                      std::uint32_t salt) const {
  if (std::abs(u - crown.u) > 1.4f * size || v < crown.v - 1.4f * size || v > 0.64f) return;
  const float trunk_half =
      size * (0.075f + 0.07f * smoothstep(crown.v + 1.2f * size, crown.v + 2.3f * size, v));
  if (v > crown.v && v < crown.v + 1.9f * size && std::abs(u - crown.u) < 2 * trunk_half + step) {
    const float bark = fbm(u * 4, v, 30.0f, 3, step * 2, seed_ ^ salt);
    const float d = std::abs(u - crown.u - 0.01f * bark);
    const float alpha = (1 - beyond(d, trunk_half, step)) * (1 - beyond(v, crown.v + 1.88f * size, step));
    const float side = 1 - 0.5f * smoothstep(-1, 1, (crown.u - u) / trunk_half);
    cover(seen,
          {.luma = 0.25f * side * (1 + 0.5f * bark),
           .cb = -0.03f,
           .cr = 0.035f,
           .ambient = 0.37f + 0.04f * bark},
          alpha);
  }
  // The crown: tufts of leaves, bright above and dark below, with the sky between them at the rim. Tufts melt
  // into each other: each counts by how far the point lies within it.
  float total = 0, bright = 0, depth = -1;
  for (int i = 0; i < 11; ++i) {
    const float angle = 6.2831853f * (static_cast<float>(i) / 10 + 0.06f * unit(i, 1, seed_ ^ salt));
    const float reach = i == 10 ? 0.0f : size * (0.44f + 0.26f * unit(i, 2, seed_ ^ salt));
    const Point centre = {crown.u + 1.12f * reach * std::sin(angle),
                          crown.v + 0.9f * reach * std::cos(angle)};
    const float radius = size * (0.38f + 0.16f * unit(i, 3, seed_ ^ salt));
    const float du = u - centre.u, dv = v - centre.v;
    const float inward = 1 - std::sqrt(du * du + dv * dv) / radius;
    const float weight = std::exp(7 * inward);
    total += weight;
    bright += weight * (0.6f * du - 1.1f * dv) / radius;
    depth = std::max(depth, inward);
  }
  bright /= total;
  depth = std::max(depth, std::log(total) / 7 - 0.12f);
  if (depth < -0.7f) return;
  const float coarse = fbm(u, v, 3.2f / size, 3, step, seed_ ^ salt ^ 0x1eafU);
  const float fine = fbm(u, v, 11.0f / std::sqrt(size), 4, step, seed_ ^ salt ^ 0x2eafU);
  const float alpha = smoothstep(0.0f, 0.12f, depth + 0.22f * coarse + 0.30f * fine - 0.02f);
  const float light = 1 + 0.55f * bright + 0.30f * coarse + 0.85f * fine;
  cover(seen,
        {.luma = 0.225f * std::max(light, 0.22f),
         .cb = -0.09f,
         .cr = -0.045f + 0.025f * fine,
         .ambient = 0.295f + 0.03f * coarse + 0.05f * fine + 0.02f * bright + 0.15f * look_.warmth},
        alpha);
}

Material Street::surface(float u, float v, float step) const {
  if (v >= house_foot + step) {
    Material m = ground(u, v, step);
    add_tree(m, u, v, step, great_tree, great_tree_size, 0x37eeU);
    return m;
  }
  const float front = inside(u, house_left, house_right, step) * inside(v, house_top, house_foot, step);
  if (front >= 1) return facade(u, v, step);

  Material m = sky(u, v, step);
  add_skyline(m, u, v, step);
  if (v > 0.42f) {  // a hedge along the park, then its lawn
    const float ground_line = 0.493f + 0.004f * fbm(u, 0, 8, 3, step, seed_);
    const float hedge_top = 0.452f + 0.016f * fbm(u, 0, 9, 4, step, seed_ ^ 0x22U);
    const float hedge = fbm(u, v, 38.0f, 4, step, seed_ ^ 0xedceU);
    cover(m,
          {.luma = 0.20f * (1 + 0.7f * hedge), .cb = -0.075f, .cr = -0.04f, .ambient = 0.28f + 0.04f * hedge},
          beyond(v, hedge_top, step));
    const float grass = beyond(v, ground_line, step);
    if (grass > 0) cover(m, ground(u, v, step), grass);
  }
  add_tree(m, u, v, step, {0.80f, 0.31f}, 0.135f, 0x17eeU);
  add_tree(m, u, v, step, {0.205f, 0.395f}, 0.075f, 0x27eeU);
  add_tree(m, u, v, step, {1.25f, 0.26f}, 0.19f, 0x57eeU);
  // The house, and its side that recedes into the side street.
  const float side_end = house_right + 0.075f, along = (u - house_right) / (side_end - house_right);
  if (along > -0.1f && along < 1.1f) {
    const float top = lerp(house_top, 0.155f, along), foot = lerp(house_foot, 0.572f, along);
    Material side = facade(house_right + 0.34f * along, v + (house_top - top) * (1 - v), step * 3);
    side.luma *= 0.62f;
    side.ambient -= 0.02f;
    cover(m, side, inside(u, house_right, side_end, step) * inside(v, top, foot, step));
  }
  if (front > 0) cover(m, facade(u, v, step), front);
  // A plastered neighbour, seen in wide pictures.
  const float neighbour = (1 - beyond(u, house_left - 0.02f, step)) * inside(v, 0.15f, house_foot, step);
  if (neighbour > 0) {
    const float stain = fbm(u, v * 0.5f, 9.0f, 4, step, seed_ ^ 0x9bU);
    const float pane = bars(u, 0.21f, 0.085f, step) * bars(v - 0.045f, 0.2f, 0.115f, step);
    Material plaster = {
        .luma = 0.60f * (1 + 0.12f * stain), .cb = -0.045f, .cr = 0.015f, .ambient = 0.35f + 0.03f * stain};
    cover(plaster, {.luma = 0.14f, .cb = 0.02f, .emission = 0.03f, .ambient = 0.24f}, pane);
    cover(m, plaster, neighbour);
  }
  add_tree(m, u, v, step, great_tree, great_tree_size, 0x37eeU);
  return m;
}

}  // namespace digfusion::scene
