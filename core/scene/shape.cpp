// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/scene/shape.h"

#include <cmath>

#include "core/scene/noise.h"

namespace digfusion::scene {
namespace {

float dot(Point a, Point b) { return a.u * b.u + a.v * b.v; }
float length(Point a) { return std::sqrt(dot(a, a)); }

/// A shape made ready for many evaluations.
class Distance {
 public:
  explicit Distance(const Shape& shape) : shape_(shape) {
    const auto& p = shape.point;
    Point low = p[0], high = p[0];
    switch (shape.kind) {
      case ShapeKind::capsule: {
        const float r = std::max(shape.radius[0], shape.radius[1]);
        low = {std::min(p[0].u, p[1].u) - r, std::min(p[0].v, p[1].v) - r};
        high = {std::max(p[0].u, p[1].u) + r, std::max(p[0].v, p[1].v) + r};
        axis_ = p[1] - p[0];
        inverse_ = 1 / std::max(dot(axis_, axis_), 1e-12f);
        depth_ = r;
        break;
      }
      case ShapeKind::ellipse:
      case ShapeKind::box:
        low = p[0] - p[1];
        high = p[0] + p[1];
        depth_ = std::min(p[1].u, p[1].v);
        break;
      case ShapeKind::polygon: {
        Point middle = {0, 0};
        for (int i = 0; i < shape.corners; ++i) {
          low = {std::min(low.u, p[i].u), std::min(low.v, p[i].v)};
          high = {std::max(high.u, p[i].u), std::max(high.v, p[i].v)};
          middle = middle + p[i] * (1.0f / static_cast<float>(shape.corners));
        }
        for (int i = 0; i < shape.corners; ++i) {
          const Point edge = p[(i + 1) % shape.corners] - p[i];
          Point normal = {edge.v, -edge.u};
          normal = normal * (1 / std::max(length(normal), 1e-9f));
          normal_[i] = dot(normal, middle - p[i]) > 0 ? normal * -1.0f : normal;
        }
        const Point r = {shape.radius[0], shape.radius[0]};
        low = low - r;
        high = high + r;
        depth_ = 0.5f * std::min(high.u - low.u, high.v - low.v);
        break;
      }
    }
    low_ = low;
    high_ = high;
    depth_ = std::max(depth_, 1e-6f);
  }

  Point low() const { return low_; }
  Point high() const { return high_; }

  /// How near the edge a point at that distance is, 0 in the middle to 1. A limb's ends count as its middle,
  /// so that joints don't show.
  float rim(Point q, float distance) const {
    if (shape_.kind == ShapeKind::capsule) {
      const Point from = q - shape_.point[0];
      distance = std::abs(from.u * axis_.v - from.v * axis_.u) * std::sqrt(inverse_) - depth_;
    }
    return 1 - std::clamp(-distance / depth_, 0.0f, 1.0f);
  }

  float operator()(Point q) const {
    const auto& p = shape_.point;
    switch (shape_.kind) {
      case ShapeKind::capsule: {
        const Point from = q - p[0];
        const float along = std::clamp(dot(from, axis_) * inverse_, 0.0f, 1.0f);
        return length(from - axis_ * along) - lerp(shape_.radius[0], shape_.radius[1], along);
      }
      case ShapeKind::ellipse: {
        const Point d = q - p[0];
        const Point scaled = {d.u / p[1].u, d.v / p[1].v};
        const float k0 = length(scaled);
        const float k1 = length({scaled.u / p[1].u, scaled.v / p[1].v});
        return k1 > 1e-6f ? k0 * (k0 - 1) / k1 : -depth_;
      }
      case ShapeKind::box: {
        const float r = shape_.radius[0];
        const float du = std::abs(q.u - p[0].u) - p[1].u + r, dv = std::abs(q.v - p[0].v) - p[1].v + r;
        return length({std::max(du, 0.0f), std::max(dv, 0.0f)}) + std::min(std::max(du, dv), 0.0f) - r;
      }
      case ShapeKind::polygon: {
        float d = -1e9f;
        for (int i = 0; i < shape_.corners; ++i) d = std::max(d, dot(normal_[i], q - p[i]));
        return d - shape_.radius[0];
      }
    }
    return 1e9f;
  }

 private:
  const Shape& shape_;
  Point low_, high_, axis_ = {0, 0};
  std::array<Point, 8> normal_ = {};
  float inverse_ = 0, depth_ = 0;
};

/// Calls blend(x, y, coverage 0..1, shade, grain) for every pixel that the shape touches.
template <class Blend>
void fill(const Grid& grid, const Paint& paint, Blend blend) {
  const Distance distance(paint.shape);
  const Material& material = paint.material;
  const float soft = std::max(grid.step, paint.softness), margin = 0.5f * soft;
  const auto first = [&](float low, float origin) {
    return std::max(0, static_cast<int>(std::floor((low - margin - origin) / grid.step - 0.5f)));
  };
  const auto last = [&](float high, float origin, int size) {
    const float end = std::floor((high + margin - origin) / grid.step) + 1;
    return static_cast<int>(std::clamp(end, 0.0f, static_cast<float>(size)));
  };
  const int x0 = first(distance.low().u, grid.u0), x1 = last(distance.high().u, grid.u0, grid.width);
  const int y0 = first(distance.low().v, grid.v0), y1 = last(distance.high().v, grid.v0, grid.height);
  const float grain = material.grain * resolved(material.rough, grid.step);
  const Point anchor = paint.shape.point[0];
  for (int y = y0; y < y1; ++y) {
    for (int x = x0; x < x1; ++x) {
      const Point q = {grid.u(x), grid.v(y)};
      const float d = distance(q);
      const float coverage = std::min(0.5f - d / soft, 1.0f);
      if (coverage <= 0) continue;
      const float rim = material.roundness > 0 ? distance.rim(q, d) : 0;
      const float shade = 1 - material.roundness * rim * rim;
      const float texture = grain > 0 ? grain * value_noise((q.u - anchor.u) * material.rough,
                                                            (q.v - anchor.v) * material.rough, 77)
                                      : 0.0f;
      blend(x, y, paint.softness > grid.step ? smoothstep(0, 1, coverage) : coverage, shade, texture);
    }
  }
}

}  // namespace

Shape Shape::capsule(Point a, Point b, float radius_a, float radius_b) {
  Shape shape;
  shape.point[0] = a;
  shape.point[1] = b;
  shape.radius[0] = radius_a;
  shape.radius[1] = radius_b;
  return shape;
}

Shape Shape::ellipse(Point centre, Point half) {
  Shape shape;
  shape.kind = ShapeKind::ellipse;
  shape.point[0] = centre;
  shape.point[1] = half;
  return shape;
}

Shape Shape::box(Point centre, Point half, float rounding) {
  Shape shape = ellipse(centre, half);
  shape.kind = ShapeKind::box;
  shape.radius[0] = rounding;
  return shape;
}

Shape Shape::polygon(std::span<const Point> corners, float rounding) {
  Shape shape;
  shape.kind = ShapeKind::polygon;
  shape.corners = static_cast<int>(std::min(corners.size(), shape.point.size()));
  std::copy_n(corners.begin(), shape.corners, shape.point.begin());
  shape.radius[0] = rounding;
  return shape;
}

float expose(float luma) {
  constexpr float knee = 0.72f;
  if (luma <= knee) return std::max(luma, 0.0f);
  return knee + (1 - knee) * (1 - std::exp(-(luma - knee) / (1 - knee)));
}

void paint_luma(const Grid& grid, std::span<const Paint> paints, const Plane& light, Plane& luma) {
  for (const Paint& paint : paints) {
    if (paint.visible <= 0) continue;
    const Material& m = paint.material;
    fill(grid, paint, [&](int x, int y, float coverage, float shade, float texture) {
      float& sample = luma.row(y)[x];
      if (paint.light != 0) {
        sample = expose(sample * (1 + paint.light * coverage));
        return;
      }
      const float lit = expose(m.luma * shade * (1 + texture) * light.row(y)[x] + m.emission);
      sample = lerp(sample, lit, coverage * paint.visible);
    });
  }
}

void paint_chroma(const Grid& grid, std::span<const Paint> paints, const Plane& light, Plane& cb, Plane& cr) {
  for (const Paint& paint : paints) {
    if (paint.visible <= 0 || paint.light != 0) continue;
    const Material& m = paint.material;
    fill(grid, paint, [&](int x, int y, float coverage, float shade, float) {
      const float gain = chroma_gain(m, light.row(y)[x]) * shade;
      cb.row(y)[x] = lerp(cb.row(y)[x], m.cb * gain, coverage * paint.visible);
      cr.row(y)[x] = lerp(cr.row(y)[x], m.cr * gain, coverage * paint.visible);
    });
  }
}

void paint_heat(const Grid& grid, std::span<const Paint> paints, Plane& heat) {
  for (const Paint& paint : paints) {
    if (paint.thermal <= 0 || paint.light != 0) continue;
    const float own = paint.material.heat;
    fill(grid, paint, [&](int x, int y, float coverage, float shade, float texture) {
      float& sample = heat.row(y)[x];
      sample = lerp(sample, std::min(own * shade * (1 + 0.5f * texture), 1.0f), coverage * paint.thermal);
    });
  }
}

void paint_radiance(const Grid& grid, std::span<const Paint> paints, Plane& infrared) {
  for (const Paint& paint : paints) {
    if (paint.thermal <= 0 || paint.light != 0) continue;
    const Material& m = paint.material;
    fill(grid, paint, [&](int x, int y, float coverage, float shade, float texture) {
      float& sample = infrared.row(y)[x];
      const float own =
          radiance(m.ambient * (1 + 0.3f * texture), std::min(m.heat * shade * (1 + 0.5f * texture), 1.0f));
      sample = lerp(sample, own, coverage * paint.thermal);
    });
  }
}

}  // namespace digfusion::scene
