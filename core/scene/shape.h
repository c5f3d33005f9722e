// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Anti-aliased shapes with a material, and the list of them that makes a picture.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "core/scene/plane.h"

namespace digfusion::scene {

struct Point {
  float u, v;
};
inline Point operator+(Point a, Point b) { return {a.u + b.u, a.v + b.v}; }
inline Point operator-(Point a, Point b) { return {a.u - b.u, a.v - b.v}; }
inline Point operator*(Point a, float s) { return {a.u * s, a.v * s}; }

/// What both cameras see of a surface.
struct Material {
  float luma = 0;                  ///< R: luma under unit light, 0..1
  float cb = 0, cr = 0;            ///< chroma under unit light, -0.5..0.5
  float emission = 0;              ///< luma of its own light, 0..1
  float heat = 0;                  ///< H: over the ambient, 0..1
  float ambient = 0.35f;           ///< infrared radiance without heat, 0..1
  float roundness = 0;             ///< how much darker and cooler the shape's edge is than its middle, 0..1
  float grain = 0, rough = 90.0f;  ///< amplitude and frequency of the texture that the shape carries along
};

enum class ShapeKind { capsule, ellipse, box, polygon };

/// A signed distance function.
struct Shape {
  ShapeKind kind = ShapeKind::capsule;
  std::array<Point, 8> point = {};  ///< capsule: two ends; ellipse, box: centre, half size; polygon: corners
  int corners = 0;                  ///< of a convex polygon, either way round
  float radius[2] = {};             ///< capsule: at both ends; box, polygon: how round the corners are

  static Shape capsule(Point a, Point b, float radius_a, float radius_b);
  static Shape ellipse(Point centre, Point half);
  static Shape box(Point centre, Point half, float rounding = 0);
  static Shape polygon(std::span<const Point> corners, float rounding = 0);
};

/// One shape of a picture. Later ones cover earlier ones.
struct Paint {
  Shape shape;
  Material material;
  float softness = 0;  ///< width of the edge; at least a pixel
  float visible = 1;   ///< opacity for the visible camera; 0: leaves its picture alone
  float thermal = 1;   ///< opacity for the infrared camera
  /// Not 0: the shape is no surface but light or shadow, which changes the visible luma by this factor,
  /// -1..10.
  float light = 0;
};

/// A light source as the visible camera's optics smear it.
struct Glow {
  Point centre;
  float strength, radius;
};

/// What the infrared camera sees of a surface: ambient texture plus heat.
inline float radiance(float ambient, float heat) { return ambient + 0.95f * heat * (1 - ambient); }

/// Luma with a soft shoulder, as a camera exposes it: 0..∞ to 0..1.
float expose(float luma);

/// How strong a surface's chroma is under that light.
inline float chroma_gain(const Material& material, float light) {
  return std::min(1.1f, light * (material.luma > 0 ? 1.0f : 0.0f) + std::min(1.0f, material.emission * 3));
}

/// Paints every shape over the picture. `light` is a plane of the grid's size.
void paint_luma(const Grid& grid, std::span<const Paint> paints, const Plane& light, Plane& luma);
void paint_chroma(const Grid& grid, std::span<const Paint> paints, const Plane& light, Plane& cb, Plane& cr);
void paint_heat(const Grid& grid, std::span<const Paint> paints, Plane& heat);
void paint_radiance(const Grid& grid, std::span<const Paint> paints, Plane& infrared);

}  // namespace digfusion::scene
