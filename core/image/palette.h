// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Colours of what is warm. Knows no memory layouts (colour.h does).
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>

#include "core/parameters/parameters.h"

namespace digfusion {

using Rgb = std::array<std::uint8_t, 3>;

/// From cold to warm: OpenCV's colour maps HOT (lava), JET (rainbow) and TURBO, and two of our own that run
/// straight between a few colours (iron, arctic). `palette` isn't none.
using PaletteTable = std::array<Rgb, 256>;
const PaletteTable& palette_table(Palette palette);

/// Where a palette begins to fade to white, as a share of its length: what comes after has no colour to give.
double last_colour(Palette palette);

/// gray [1,1,H,W] float32 on -1..1 (CPU) → R', G', B' [1,3,H,W] on -1..1, straight between the table's
/// entries.
at::Tensor palette_colours(const at::Tensor& gray, Palette palette);

/// The same for a picture that keeps its own luma: gray from black to white runs through the table's part
/// before last_colour().
at::Tensor palette_chroma(const at::Tensor& gray, Palette palette);

/// How far each pixel of an infrared picture stands out, 0..1: [1,1,H,W] on -1..1 (CPU) → [1,1,H,W]. The
/// smaller of what it is above mid gray and above its surroundings (a Gaussian whose σ is a quarter of the
/// shorter side), u, gives 3t² - 2t³ with t = (u - 0.2) / 0.4 within 0..1: no edge that the scene hasn't.
at::Tensor prominence(const at::Tensor& infrared);
/// The grid, of about 32 cells along the shorter side, on which the surroundings are taken.
struct SurroundingsGrid {
  int width, height;
};
SurroundingsGrid surroundings_grid(int width, int height);

/// What highlight-above shows: magenta, which no palette has at its warm end.
inline constexpr Rgb signal_colour = {255, 0, 255};

}  // namespace digfusion
