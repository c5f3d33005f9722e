// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/scene/cast.h"

#include <cmath>
#include <functional>

#include "core/scene/noise.h"
#include "core/scene/person.h"
#include "core/scene/street.h"
#include "core/scene/vehicle.h"

namespace digfusion::scene {
namespace {

constexpr float turn = 6.2831853f;

/// Who walks where. Starts are chosen so that something happens in the first seconds already.
struct Part {
  Gait gait;
  float foot;       ///< v
  float start;      ///< u at time 0
  float direction;  ///< 1: to the right, -1: to the left
  float pace;       ///< cycles (two steps) a second, or of waving
};
constexpr Part parts[] = {
    {Gait::stand, 0.622f, -0.405f, 1, 0.12f}, {Gait::stand, 0.626f, -0.345f, -1, 0.15f},
    {Gait::wave, 0.643f, 0.215f, -1, 0.55f},  {Gait::walk, 0.652f, -0.20f, 1, 0.86f},
    {Gait::walk, 0.666f, 0.46f, -1, 0.92f},   {Gait::run, 0.679f, -1.02f, 1, 1.30f},
    {Gait::walk, 0.655f, 0.95f, -1, 0.82f},   {Gait::walk, 0.845f, 0.60f, -1, 0.80f},
    {Gait::walk, 0.905f, -1.25f, 1, 0.85f},
};

/// The position of somebody who leaves the scene at one end and comes back at the other.
double around(double position, double half_length) {
  const double length = 2 * half_length;
  return position - length * std::floor((position + half_length) / length);
}

void add_shadow(std::vector<Paint>& paints, const Look& look, Point feet, float height) {
  Paint shadow;
  const bool sunny = look.sun > 0 && !(feet.u < 0.12f && feet.v < 0.66f);
  shadow.shape = sunny ? Shape::capsule(feet, feet + Point{-0.30f * height, 0.16f * height}, 0.07f * height,
                                        0.04f * height)
                       : Shape::ellipse(feet, {0.20f * height, 0.035f * height});
  shadow.light = sunny ? -0.55f : -0.30f;
  shadow.softness = (sunny ? 0.05f : 0.09f) * height;
  paints.push_back(shadow);
}

}  // namespace

Cast cast_at(const Look& look, std::uint32_t seed, double time) {
  Cast cast;
  struct Actor {
    float foot;
    std::function<void()> draw;
  };
  std::vector<Actor> actors;
  std::int32_t number = 0;
  for (const Part& part : parts) {
    const std::uint32_t own = hash(number++, 0, seed ^ 0xca57U);
    const float height = person_height(part.foot) * (0.94f + 0.12f * unit(mix(own)));
    const bool travels = part.gait == Gait::walk || part.gait == Gait::run;
    const double cycles = time * part.pace * (0.96 + 0.08 * unit(mix(own + 1)));
    const float jitter = (travels ? 0.06f : 0.015f) * (unit(mix(own + 2)) - 0.5f);
    double u = part.start + jitter;
    if (travels) u = around(u + part.direction * cycles * stride(part.gait, height), 1.45);
    const double phase = cycles + unit(mix(own + 3));
    const Pose pose = {{static_cast<float>(u), part.foot},
                       height,
                       part.direction,
                       part.gait,
                       static_cast<float>((phase - std::floor(phase)) * turn)};
    actors.push_back({part.foot, [&cast, &look, pose, own] {
                        add_shadow(cast.paints, look, pose.feet, pose.height);
                        add_person(cast.paints, pose, clothes(own));
                      }});
  }

  struct Colour {
    float luma, cb, cr;
  };
  static constexpr Colour colours[] = {{0.40f, -0.02f, 0.20f},
                                       {0.30f, 0.13f, -0.06f},
                                       {0.72f, 0.0f, 0.0f},
                                       {0.34f, 0.0f, 0.0f},
                                       {0.52f, -0.12f, 0.03f}};
  const auto car = [&](float foot, float u, float direction, float length, bool moves, std::uint32_t salt) {
    const Colour colour = colours[mix(seed ^ salt) % 5];
    const Vehicle vehicle = {{u, foot},
                             length,
                             direction,
                             colour.luma,
                             colour.cb,
                             colour.cr,
                             moves ? 0.9f : 0.45f,
                             moves && look.head_lamps > 0,
                             look.head_lamps,
                             moves};
    actors.push_back({foot, [&cast, vehicle] { add_vehicle(cast.paints, cast.glows, vehicle); }});
  };
  car(0.712f, -0.60f + 0.02f * unit(mix(seed ^ 0x9a4U)), 1, 0.44f, false, 0x9a5U);
  car(0.752f, static_cast<float>(around(0.93 - 0.20 * time, 1.7)), -1, 0.56f, true, 0x9a6U);
  car(0.815f, static_cast<float>(around(-2.3 + 0.24 * time, 2.1)), 1, 0.66f, true, 0x9a7U);

  std::stable_sort(actors.begin(), actors.end(),
                   [](const Actor& a, const Actor& b) { return a.foot < b.foot; });
  for (const Actor& actor : actors) actor.draw();
  return cast;
}

}  // namespace digfusion::scene
