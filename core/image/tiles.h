// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A large picture in tiles, for what depends on a pixel's neighbourhood alone: with a halo as wide as that
// neighbourhood the tiles' results are those of the whole picture, and there are no seams.
#pragma once

#include <cstdint>
#include <vector>

namespace digfusion {

/// Along one side of a picture.
struct TileSpan {
  std::int64_t first, size;              ///< of what is computed, halo included
  std::int64_t inner_first, inner_size;  ///< of what is kept, in the picture
};

struct Tile {
  TileSpan rows, columns;
};

/// Tiles whose inner parts cover the picture once, as equal as their borders at multiples of `multiple`
/// allow. No tile's inner part has more than largest pixels, but for one of a single `multiple` square.
/// height, width and halo are multiples of `multiple`, all above 0 but the halo, which may be 0.
std::vector<Tile> tiles_of(std::int64_t height, std::int64_t width, std::int64_t multiple, std::int64_t halo,
                           std::int64_t largest);

}  // namespace digfusion
