// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/scene/vehicle.h"

#include <cmath>
#include <initializer_list>

namespace digfusion::scene {
namespace {

constexpr float wheel_radius = 0.078f;  // in car lengths

/// A car's own coordinates: x forwards from its middle, y upwards from the road, both in car lengths.
class Chassis {
 public:
  Chassis(std::vector<Paint>& paints, const Vehicle& vehicle) : paints_(paints), vehicle_(vehicle) {}

  Point at(float x, float y) const {
    return {vehicle_.wheels.u + vehicle_.direction * x * vehicle_.length,
            vehicle_.wheels.v - y * vehicle_.length};
  }
  float scaled(float length) const { return length * vehicle_.length; }

  Paint& add(const Shape& shape, const Material& material) {
    Paint paint;
    paint.shape = shape;
    paint.material = material;
    return paints_.emplace_back(paint);
  }
  Paint& panel(std::initializer_list<Point> corners, float rounding, const Material& material) {
    std::vector<Point> placed;
    for (const Point& corner : corners) placed.push_back(at(corner.u, corner.v));
    return add(Shape::polygon(placed, scaled(rounding)), material);
  }
  Paint& oval(float x, float y, float half_width, float half_height, const Material& material) {
    return add(Shape::ellipse(at(x, y), {scaled(half_width), scaled(half_height)}), material);
  }
  Paint& bar(Point a, Point b, float radius, const Material& material) {
    return add(Shape::capsule(at(a.u, a.v), at(b.u, b.v), scaled(radius), scaled(radius)), material);
  }

 private:
  std::vector<Paint>& paints_;
  const Vehicle& vehicle_;
};

void add_wheel(Chassis& car, const Vehicle& vehicle, float x) {
  const float y = wheel_radius,
              turned = vehicle.direction * vehicle.wheels.u / (wheel_radius * vehicle.length);
  const float brake = 0.25f + 0.5f * vehicle.engine;
  car.oval(x, y + 0.006f, 0.094f, 0.094f, {.luma = 0.03f, .ambient = 0.3f, .roundness = 0.2f});
  car.oval(x, y, wheel_radius, wheel_radius, {.luma = 0.06f, .heat = 0.6f * brake, .roundness = 0.3f});
  car.oval(x, y, 0.05f, 0.05f, {.luma = 0.42f, .heat = brake, .ambient = 0.3f, .roundness = 0.35f});
  for (int spoke = 0; spoke < 5; ++spoke) {
    const float angle = 1.2566371f * (static_cast<float>(spoke) + 0.5f) + (vehicle.moving ? turned : 0.3f);
    const Point end = {x + 0.044f * std::sin(angle), y + 0.044f * std::cos(angle)};
    car.bar({x + 0.016f * std::sin(angle), y + 0.016f * std::cos(angle)}, end, 0.0085f,
            {.luma = 0.1f, .heat = brake, .ambient = 0.3f});
  }
}

}  // namespace

void add_vehicle(std::vector<Paint>& paints, std::vector<Glow>& glows, const Vehicle& vehicle) {
  Chassis car(paints, vehicle);
  const Material body = {
      .luma = vehicle.luma, .cb = vehicle.cb, .cr = vehicle.cr, .ambient = 0.20f, .roundness = 0.12f};
  Material lower = body, roof = body, glass = {.luma = 0.13f, .cb = 0.03f, .cr = -0.01f, .ambient = 0.15f};
  lower.luma *= 0.62f;
  lower.ambient = 0.26f;
  roof.ambient = 0.12f;  // it reflects the cold sky

  Paint& shadow = car.oval(0, 0.012f, 0.56f, 0.035f, {});
  shadow.light = -0.62f;
  shadow.softness = car.scaled(0.05f);

  car.panel({{-0.43f, 0.23f}, {-0.36f, 0.35f}, {0.06f, 0.355f}, {0.245f, 0.23f}}, 0.015f, roof);
  car.panel({{-0.385f, 0.235f}, {-0.325f, 0.338f}, {-0.125f, 0.34f}, {-0.125f, 0.235f}}, 0.004f, glass);
  car.panel({{-0.105f, 0.235f}, {-0.105f, 0.34f}, {0.045f, 0.34f}, {0.195f, 0.235f}}, 0.004f, glass);
  car.panel({{-0.36f, 0.30f}, {-0.335f, 0.335f}, {-0.25f, 0.336f}, {-0.31f, 0.27f}}, 0.0f,
            {.luma = 0.26f, .cb = 0.03f, .ambient = 0.15f});
  car.panel({{-0.488f, 0.10f},
             {-0.492f, 0.20f},
             {-0.44f, 0.243f},
             {0.25f, 0.243f},
             {0.44f, 0.205f},
             {0.486f, 0.165f},
             {0.49f, 0.09f},
             {0.47f, 0.075f}},
            0.01f, body);
  car.panel({{-0.49f, 0.075f}, {-0.495f, 0.125f}, {0.492f, 0.125f}, {0.49f, 0.075f}}, 0.006f, lower);
  car.bar(
      {-0.455f, 0.198f}, {0.42f, 0.192f}, 0.004f,
      {.luma = std::min(1.0f, vehicle.luma * 1.5f), .cb = vehicle.cb, .cr = vehicle.cr, .ambient = 0.17f});
  for (const float x : {-0.115f, 0.20f})
    car.bar({x, 0.10f}, {x, 0.23f}, 0.0025f, {.luma = vehicle.luma * 0.4f, .ambient = 0.3f});
  for (const float x : {-0.17f, 0.13f})
    car.bar({x - 0.02f, 0.178f}, {x + 0.02f, 0.178f}, 0.005f, {.luma = 0.5f, .ambient = 0.2f});

  // The bonnet over the engine and the exhaust: seen by the infrared camera only.
  Paint& bonnet =
      car.oval(0.35f, 0.185f, 0.15f, 0.055f, {.heat = 0.85f * vehicle.engine, .roundness = 0.25f});
  bonnet.visible = 0;
  bonnet.softness = car.scaled(0.09f);
  Paint& underbody = car.bar({-0.45f, 0.07f}, {0.3f, 0.065f}, 0.02f, {.heat = 0.55f * vehicle.engine});
  underbody.visible = 0;
  underbody.softness = car.scaled(0.03f);
  car.bar({-0.5f, 0.07f}, {-0.46f, 0.07f}, 0.014f, {.luma = 0.2f, .heat = vehicle.engine});
  if (vehicle.moving) {
    Paint& plume = car.bar({-0.60f, 0.075f}, {-0.52f, 0.07f}, 0.02f, {.heat = 0.5f * vehicle.engine});
    plume.visible = 0;
    plume.thermal = 0.7f;
    plume.softness = car.scaled(0.06f);
  }
  add_wheel(car, vehicle, -0.305f);
  add_wheel(car, vehicle, 0.315f);

  const float lit = vehicle.lamps ? 1.0f : 0.0f;
  car.oval(0.462f, 0.168f, 0.026f, 0.019f,
           {.luma = 0.7f, .cb = -0.01f, .emission = lit, .heat = 0.45f * lit, .ambient = 0.25f});
  car.oval(-0.484f, 0.195f, 0.012f, 0.026f,
           {.luma = 0.25f,
            .cb = -0.08f,
            .cr = 0.32f,
            .emission = 0.42f * lit,
            .heat = 0.12f * lit,
            .ambient = 0.25f});
  if (!vehicle.lamps) return;
  Paint& beam = car.oval(0.93f, 0.03f, 0.42f, 0.075f, {});
  beam.light = 4.5f * vehicle.lamp_power;
  beam.softness = car.scaled(0.14f);
  glows.push_back({car.at(0.47f, 0.168f), 1.5f * vehicle.lamp_power, car.scaled(0.11f)});
  glows.push_back({car.at(-0.485f, 0.19f), 0.12f * vehicle.lamp_power, car.scaled(0.04f)});
}

}  // namespace digfusion::scene
