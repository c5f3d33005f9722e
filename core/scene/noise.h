// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Randomness without state: hashes, and value noise that leaves out what a pixel can't resolve.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace digfusion::scene {

/// Chris Wellons' lowbias32: every input bit flips every output bit with a probability near one half.
inline std::uint32_t mix(std::uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  x ^= x >> 16;
  return x;
}

inline std::uint32_t hash(std::int32_t a, std::int32_t b, std::uint32_t seed) {
  return mix(static_cast<std::uint32_t>(a) * 0x9e3779b1u +
             mix(static_cast<std::uint32_t>(b) * 0x85ebca77u + seed));
}

/// Uniform in 0..1, without 1.
inline float unit(std::uint32_t hashed) { return static_cast<float>(hashed >> 8) * (1.0f / 16777216.0f); }
inline float unit(std::int32_t a, std::int32_t b, std::uint32_t seed) { return unit(hash(a, b, seed)); }

inline float fade(float t) { return t * t * t * (t * (t * 6 - 15) + 10); }
inline float lerp(float a, float b, float t) { return a + (b - a) * t; }
inline float smoothstep(float low, float high, float x) {
  const float t = std::clamp((x - low) / (high - low), 0.0f, 1.0f);
  return t * t * (3 - 2 * t);
}

/// Value noise in -1..1 with lattice constant 1, C² smooth.
inline float value_noise(float x, float y, std::uint32_t seed) {
  const float fx = std::floor(x), fy = std::floor(y);
  const auto ix = static_cast<std::int32_t>(fx), iy = static_cast<std::int32_t>(fy);
  const float tx = fade(x - fx), ty = fade(y - fy);
  const float top = lerp(unit(ix, iy, seed), unit(ix + 1, iy, seed), tx);
  const float bottom = lerp(unit(ix, iy + 1, seed), unit(ix + 1, iy + 1, seed), tx);
  return 2 * lerp(top, bottom, ty) - 1;
}

/// Weight of noise with `frequency` lattice cells per unit for pixels of `step` units: 0 where it would
/// alias.
inline float resolved(float frequency, float step) { return 1 - smoothstep(0.35f, 0.9f, frequency * step); }

/// Octaves of value noise, each twice as fine and half as strong, about in -1..1.
inline float fbm(float x, float y, float frequency, int octaves, float step, std::uint32_t seed) {
  float sum = 0, amplitude = 0.6f;
  for (int i = 0; i < octaves; ++i, frequency *= 2, amplitude *= 0.5f) {
    const float weight = resolved(frequency, step);
    if (weight <= 0) break;
    sum += amplitude * weight *
           value_noise(x * frequency, y * frequency, seed + static_cast<std::uint32_t>(i) * 0x51ed27u);
  }
  return sum;
}

/// A position on a noise lattice far from its origin, where a float would have lost its fraction.
struct Offset {
  std::int32_t cell;
  float fraction;
  explicit Offset(double position) {
    const double whole = std::floor(position);
    cell = static_cast<std::int32_t>(static_cast<std::uint32_t>(static_cast<std::int64_t>(whole)));
    fraction = static_cast<float>(position - whole);
  }
};

}  // namespace digfusion::scene
