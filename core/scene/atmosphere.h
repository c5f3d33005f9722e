// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Smoke between the scene and the cameras, and glare within the visible one's lens. Both are smooth, so they
// are evaluated on a coarse lattice that is fixed in the scene, whatever the picture's size, and
// interpolated.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/scene/look.h"
#include "core/scene/shape.h"

namespace digfusion::scene {

/// What smoke and glare make of a picture, per lattice point: seen = gain · picture + offset.
class Veil {
 public:
  /// A veil that changes nothing.
  explicit Veil(const Grid& grid);

  bool clear() const { return clear_; }
  /// One row of gain and offset for the pixels of `grid`, which the veil was made for; both hold grid.width.
  void row(int y, float* gain, float* offset) const;

 private:
  friend class Atmosphere;
  Grid grid_;
  bool clear_ = true;
  int first_column_, first_row_, columns_, rows_;
  std::vector<float> gain_, offset_;
  std::vector<int> column_;      ///< lattice column left of each pixel
  std::vector<float> fraction_;  ///< and how far the pixel lies towards the next, 0..1
};

struct Smoke {
  float depth;   ///< optical depth for the visible camera
  float relief;  ///< -1..1: its billows' shading
};

/// A pattern's air. Times in seconds.
class Atmosphere {
 public:
  Atmosphere(const Look& look, std::uint32_t seed) : look_(look), seed_(seed) {}

  Smoke smoke(float u, float v, double time) const;

  Veil visible(const Grid& grid, double time, std::span<const Glow> glows) const;
  Veil infrared(const Grid& grid, double time) const;
  /// Share of the scene's visible light that the smoke lets through (offset 0): what hides things, measured.
  Veil transmission(const Grid& grid, double time) const;

 private:
  template <class Evaluate>
  Veil lattice(const Grid& grid, Evaluate evaluate) const;

  const Look& look_;
  std::uint32_t seed_;
};

}  // namespace digfusion::scene
