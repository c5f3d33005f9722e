// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/scene/atmosphere.h"

#include <cmath>

#include "core/scene/noise.h"

namespace digfusion::scene {
namespace {

constexpr float cell = 1.0f / 72;              // of the lattice, in scene units
constexpr float infrared_extinction = 0.045f;  // of the visible one: smoke is fine against 10 µm

/// Value noise in -1..1 that drifts with the wind and changes with time.
float moving_noise(float x, float y, float frequency, const Offset& drift, const Offset& age,
                   std::uint32_t seed) {
  x = x * frequency + drift.fraction;
  y *= frequency;
  const float fx = std::floor(x), fy = std::floor(y);
  const auto ix = static_cast<std::int32_t>(static_cast<std::uint32_t>(static_cast<std::int32_t>(fx)) +
                                            static_cast<std::uint32_t>(drift.cell));
  const auto iy = static_cast<std::int32_t>(fy);
  const float tx = fade(x - fx), ty = fade(y - fy);
  const auto slice = [&](std::uint32_t salt) {
    const float top = lerp(unit(ix, iy, salt), unit(ix + 1, iy, salt), tx);
    const float bottom = lerp(unit(ix, iy + 1, salt), unit(ix + 1, iy + 1, salt), tx);
    return lerp(top, bottom, ty);
  };
  const std::uint32_t now = seed + static_cast<std::uint32_t>(age.cell) * 0x68e31da4u;
  return 2 * lerp(slice(now), slice(now + 0x68e31da4u), fade(age.fraction)) - 1;
}

}  // namespace

Veil::Veil(const Grid& grid)
    : grid_(grid),
      first_column_(static_cast<int>(std::floor(grid.u0 / cell))),
      first_row_(static_cast<int>(std::floor(grid.v0 / cell))),
      columns_(static_cast<int>(std::floor(grid.u(grid.width) / cell)) - first_column_ + 2),
      rows_(static_cast<int>(std::floor(grid.v(grid.height) / cell)) - first_row_ + 2) {}

void Veil::row(int y, float* gain, float* offset) const {
  if (clear_) {
    std::fill_n(gain, grid_.width, 1.0f);
    std::fill_n(offset, grid_.width, 0.0f);
    return;
  }
  const float at = grid_.v(y) / cell - static_cast<float>(first_row_);
  const int upper = std::clamp(static_cast<int>(at), 0, rows_ - 2);
  const float t = at - static_cast<float>(upper);
  // Down first, on the few lattice columns, then along the row.
  thread_local std::vector<float> gains, offsets;
  gains.resize(static_cast<std::size_t>(columns_));
  offsets.resize(static_cast<std::size_t>(columns_));
  const float* g = gain_.data() + static_cast<std::ptrdiff_t>(upper) * columns_;
  const float* o = offset_.data() + static_cast<std::ptrdiff_t>(upper) * columns_;
  for (int i = 0; i < columns_; ++i) {
    gains[i] = lerp(g[i], g[i + columns_], t);
    offsets[i] = lerp(o[i], o[i + columns_], t);
  }
  const float* gain_row = gains.data();
  const float* offset_row = offsets.data();
  for (int x = 0; x < grid_.width; ++x) {
    const int left = column_[x];
    const float s = fraction_[x];
    gain[x] = lerp(gain_row[left], gain_row[left + 1], s);
    offset[x] = lerp(offset_row[left], offset_row[left + 1], s);
  }
}

template <class Evaluate>
Veil Atmosphere::lattice(const Grid& grid, Evaluate evaluate) const {
  Veil veil(grid);
  veil.clear_ = false;
  veil.gain_.resize(static_cast<std::size_t>(veil.columns_) * veil.rows_);
  veil.offset_.resize(veil.gain_.size());
  std::size_t at = 0;
  for (int y = 0; y < veil.rows_; ++y)
    for (int x = 0; x < veil.columns_; ++x, ++at)
      evaluate(static_cast<float>(veil.first_column_ + x) * cell,
               static_cast<float>(veil.first_row_ + y) * cell, veil.gain_[at], veil.offset_[at]);
  veil.column_.resize(grid.width);
  veil.fraction_.resize(grid.width);
  for (int x = 0; x < grid.width; ++x) {
    const float along = grid.u(x) / cell - static_cast<float>(veil.first_column_);
    veil.column_[x] = std::clamp(static_cast<int>(along), 0, veil.columns_ - 2);
    veil.fraction_[x] = along - static_cast<float>(veil.column_[x]);
  }
  return veil;
}

Smoke Atmosphere::smoke(float u, float v, double time) const {
  if (look_.smoke <= 0) return {0, 0};
  // A bank that rises towards its lee, over the pavement and the park.
  const float du = (u - 0.05f) / (u < 0.05f ? 0.56f : 0.46f), dv = (v - 0.55f - 0.20f * (u - 0.05f)) / 0.215f;
  const float bank = std::exp(-du * du * du * du - (dv > 0 ? dv * dv * dv * dv : dv * dv));
  if (bank < 0.01f) return {0, 0};
  constexpr double wind = 0.085;  // scene units a second; small billows overtake the large ones
  const Offset age(0.11 * time), quick(0.25 * time);
  const auto noise = [&](float x, float y, double frequency, double pace, const Offset& change,
                         std::uint32_t salt) {
    return moving_noise(x, y, static_cast<float>(frequency), Offset(wind * pace * frequency * time), change,
                        seed_ ^ salt);
  };
  const float bend_u = noise(u, v, 3.1, 0.7, age, 0xbe4dU), bend_v = noise(u, v, 3.7, 0.6, age, 0xbe4eU);
  const float x = u + 0.11f * bend_u, y = v + 0.09f * bend_v;
  const float large = noise(x, y, 2.8, 1.0, age, 0x5301U), middle = noise(x, y, 5.9, 1.15, age, 0x5302U);
  const float small = noise(x, y, 12.1, 1.3, quick, 0x5303U), tiny = noise(x, y, 24.7, 1.45, quick, 0x5304U);
  const float billows = 0.58f * large + 0.40f * middle + 0.24f * small + 0.13f * tiny;
  const float density = smoothstep(-0.05f, 1.15f, 0.60f * bank + 0.62f * billows + 0.30f);
  return {look_.smoke * bank * density, 0.35f * middle + 0.45f * small + 0.3f * tiny};
}

Veil Atmosphere::visible(const Grid& grid, double time, std::span<const Glow> glows) const {
  if (look_.smoke <= 0 && glows.empty()) return Veil(grid);
  const float lit = std::min(look_.daylight + 0.3f * look_.lamps, 1.0f);
  return lattice(grid, [&](float u, float v, float& gain, float& offset) {
    const Smoke smoke = this->smoke(u, v, time);
    const float through = std::exp(-smoke.depth);
    // Lit from above, darker where it is thick below.
    const float body =
        lit * (0.80f + 0.11f * smoke.relief - 0.22f * std::clamp((v - 0.3f) / 0.5f, 0.0f, 1.0f));
    gain = through;
    offset = body * (1 - through);
    for (const Glow& glow : glows) {
      const float du = (u - glow.centre.u) / glow.radius, dv = (v - glow.centre.v) / glow.radius;
      const float fall = 1 + du * du + dv * dv;
      const float veil = std::min(glow.strength / (fall * std::sqrt(fall)), 0.97f);
      gain *= 1 - veil;
      offset = offset * (1 - veil) + veil;
    }
  });
}

Veil Atmosphere::infrared(const Grid& grid, double time) const {
  if (look_.smoke <= 0) return Veil(grid);
  return lattice(grid, [&](float u, float v, float& gain, float& offset) {
    gain = std::exp(-infrared_extinction * smoke(u, v, time).depth);
    offset = 0.40f * (1 - gain);
  });
}

Veil Atmosphere::transmission(const Grid& grid, double time) const {
  if (look_.smoke <= 0) return Veil(grid);
  return lattice(grid, [&](float u, float v, float& gain, float& offset) {
    gain = std::exp(-smoke(u, v, time).depth);
    offset = 0;
  });
}

}  // namespace digfusion::scene
