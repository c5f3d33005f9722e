// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/scene/person.h"

#include <cmath>

#include "core/scene/noise.h"

namespace digfusion::scene {
namespace {

// Lengths in body heights.
constexpr float thigh = 0.245f, shin = 0.235f, hip_height = 0.485f, upper_arm = 0.165f, forearm = 0.15f;
constexpr float walk_swing = 0.42f, run_swing = 0.68f;

Material cloth(float luma, float cb, float cr, float heat) {
  return {.luma = luma, .cb = cb, .cr = cr, .heat = heat, .roundness = 0.45f, .grain = 0.22f, .rough = 95.0f};
}

/// A person's own coordinates: x forwards, y upwards, both in body heights from the feet.
class Body {
 public:
  Body(std::vector<Paint>& paints, const Pose& pose) : paints_(paints), pose_(pose) {}

  Point at(float x, float y) const {
    return {pose_.feet.u + pose_.direction * x * pose_.height, pose_.feet.v - y * pose_.height};
  }
  void limb(Point a, Point b, float radius_a, float radius_b, const Material& material) {
    Paint paint;
    paint.shape =
        Shape::capsule(at(a.u, a.v), at(b.u, b.v), radius_a * pose_.height, radius_b * pose_.height);
    paint.material = material;
    paints_.push_back(paint);
  }
  void oval(Point centre, float half_width, float half_height, const Material& material) {
    Paint paint;
    paint.shape =
        Shape::ellipse(at(centre.u, centre.v), {half_width * pose_.height, half_height * pose_.height});
    paint.material = material;
    paints_.push_back(paint);
  }

 private:
  std::vector<Paint>& paints_;
  const Pose& pose_;
};

/// An end of a limb of that length, hanging at that angle (0: straight down, positive: forwards).
Point hang(Point from, float angle, float length) {
  return {from.u + length * std::sin(angle), from.v - length * std::cos(angle)};
}

Material dimmed(Material material, float by) {
  material.luma *= by;
  material.heat *= 0.5f + 0.5f * by;
  return material;
}

}  // namespace

Clothes clothes(std::uint32_t seed) {
  struct Colour {
    float luma, cb, cr;
  };
  static constexpr Colour jackets[] = {{0.13f, 0.07f, -0.02f},  {0.09f, 0.01f, 0.00f}, {0.17f, -0.03f, 0.10f},
                                       {0.16f, -0.04f, -0.04f}, {0.20f, 0.02f, 0.01f}, {0.12f, 0.04f, 0.04f}};
  static constexpr Colour trousers[] = {
      {0.14f, 0.05f, -0.02f}, {0.08f, 0.01f, 0.00f}, {0.19f, -0.03f, 0.02f}};
  static constexpr float skins[] = {0.62f, 0.52f, 0.40f, 0.30f};
  const auto pick = [&](std::uint32_t salt, std::uint32_t count) { return mix(seed + salt) % count; };
  const Colour jacket = jackets[pick(1, 6)], leg = trousers[pick(2, 3)];
  Clothes result;
  result.jacket = cloth(jacket.luma, jacket.cb, jacket.cr, 0.50f + 0.12f * unit(mix(seed + 3)));
  result.trousers = cloth(leg.luma, leg.cb, leg.cr, 0.46f + 0.08f * unit(mix(seed + 4)));
  const float skin = skins[pick(5, 4)];
  result.skin = {.luma = skin, .cb = -0.06f, .cr = 0.075f, .heat = 0.92f, .roundness = 0.3f};
  result.hair = {.luma = 0.06f + 0.12f * unit(mix(seed + 6)),
                 .cb = -0.02f,
                 .cr = 0.03f,
                 .heat = 0.66f,
                 .roundness = 0.35f,
                 .grain = 0.2f};
  result.shoes = cloth(0.07f, 0, 0, 0.34f);
  result.cap = pick(7, 3) == 0;
  result.bag = pick(8, 3) == 0;
  return result;
}

float stride(Gait gait, float height) {
  const float swing = gait == Gait::run ? run_swing : walk_swing;
  return 4 * (thigh + shin) * std::sin(swing) * height * (gait == Gait::run ? 1.35f : 1.0f);
}

void add_person(std::vector<Paint>& paints, const Pose& pose, const Clothes& wear) {
  Body body(paints, pose);
  const bool moves = pose.gait == Gait::walk || pose.gait == Gait::run;
  const bool runs = pose.gait == Gait::run;
  const float swing = runs ? run_swing : moves ? walk_swing : 0.05f;
  const float lean = runs ? 0.16f : moves ? 0.05f : 0.01f * std::sin(pose.phase);
  const float bounce = moves ? (runs ? 0.022f : 0.010f) * std::cos(2 * pose.phase) - 0.012f : 0.0f;
  const Point hip = {0, hip_height + bounce};
  const Point neck = {hip.u + 0.335f * std::sin(lean), hip.v + 0.335f * std::cos(lean)};
  const Point head = {neck.u + 0.02f + 0.1f * std::sin(lean), neck.v + 0.108f};
  const Point shoulder = {neck.u - 0.005f, neck.v - 0.025f};

  const auto leg = [&](float side, float shade) {
    const float phase = pose.phase + (side > 0 ? 0.0f : 3.14159265f);
    const float forward = std::max(0.0f, std::cos(phase));  // this leg swings, the other one stands
    const float angle = moves ? swing * std::sin(phase) + 0.04f : side * 0.07f;
    const float bend = moves ? (runs ? 0.35f : 0.08f) + (runs ? 1.25f : 0.8f) * forward * forward : 0.02f;
    const Point knee = hang(hip, angle, thigh), ankle = hang(knee, angle - bend, shin);
    const float toe = angle - bend + (moves ? 0.9f * forward * 0.4f : 0.0f);
    const Point tip = {ankle.u + 0.075f * std::cos(toe),
                       ankle.v - 0.012f + 0.075f * std::min(std::sin(toe), 0.2f)};
    body.limb({ankle.u - 0.012f, ankle.v - 0.008f}, tip, 0.024f, 0.017f, dimmed(wear.shoes, shade));
    body.limb(knee, ankle, 0.042f, 0.029f, dimmed(wear.trousers, shade));
    body.limb(hip, knee, 0.062f, 0.044f, dimmed(wear.trousers, shade));
  };
  const auto arm = [&](float side, float shade) {
    const float phase = pose.phase + (side > 0 ? 3.14159265f : 0.0f);
    float angle = moves ? (runs ? 0.75f : 0.42f) * std::sin(phase) : -0.05f + 0.08f * side;
    float bend = runs ? 1.5f : moves ? 0.3f + 0.15f * std::sin(phase) : 0.18f;
    if (pose.gait == Gait::wave && side > 0) {
      angle = 2.35f + 0.12f * std::sin(pose.phase * 2);
      bend = 0.35f + 0.45f * std::sin(pose.phase * 2);
    }
    const Point elbow = hang(shoulder, angle, upper_arm), wrist = hang(elbow, angle + bend, forearm);
    const Point hand = hang(wrist, angle + bend, 0.028f);
    body.oval(hand, 0.022f, 0.026f, dimmed(wear.skin, shade));
    body.limb(elbow, wrist, 0.031f, 0.024f, dimmed(wear.jacket, shade));
    body.limb(shoulder, elbow, 0.038f, 0.032f, dimmed(wear.jacket, shade));
  };

  arm(-1, 0.7f);
  leg(-1, 0.75f);
  leg(1, 1.0f);
  if (wear.bag) {
    Material bag = cloth(0.11f, -0.03f, 0.03f, 0.12f);
    body.limb({neck.u - 0.085f, neck.v - 0.06f}, {neck.u - 0.09f, neck.v - 0.2f}, 0.05f, 0.055f, bag);
  }
  body.limb({neck.u, neck.v + 0.03f}, {neck.u + 0.008f, neck.v + 0.06f}, 0.028f, 0.028f, wear.skin);
  body.limb({hip.u, hip.v + 0.02f}, {neck.u, neck.v - 0.055f}, 0.068f, 0.082f, wear.jacket);
  body.limb({shoulder.u, shoulder.v - 0.01f}, {shoulder.u, shoulder.v}, 0.058f, 0.05f, wear.jacket);
  body.oval({head.u - 0.012f, head.v + 0.014f}, 0.056f, 0.066f, wear.hair);
  body.oval({head.u + 0.010f, head.v - 0.008f}, 0.044f, 0.058f, wear.skin);
  if (wear.cap) {
    Material cap = wear.jacket;
    cap.heat = 0.5f;
    body.limb({head.u - 0.03f, head.v + 0.05f}, {head.u + 0.02f, head.v + 0.048f}, 0.03f, 0.028f, cap);
    body.limb({head.u + 0.02f, head.v + 0.034f}, {head.u + 0.075f, head.v + 0.03f}, 0.01f, 0.008f, cap);
  }
  arm(1, 1.0f);
}

}  // namespace digfusion::scene
