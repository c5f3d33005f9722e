// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/tiles.h"

#include <algorithm>

namespace digfusion {
namespace {

std::vector<TileSpan> spans_of(std::int64_t size, std::int64_t count, std::int64_t multiple,
                               std::int64_t halo) {
  const std::int64_t units = size / multiple;
  std::vector<TileSpan> spans;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t begin = units * i / count * multiple, end = units * (i + 1) / count * multiple;
    const std::int64_t first = std::max<std::int64_t>(0, begin - halo), last = std::min(size, end + halo);
    spans.push_back({first, last - first, begin, end - begin});
  }
  return spans;
}

}  // namespace

std::vector<Tile> tiles_of(std::int64_t height, std::int64_t width, std::int64_t multiple, std::int64_t halo,
                           std::int64_t largest) {
  const std::int64_t most_rows = height / multiple, most_columns = width / multiple;
  const auto longest = [](std::int64_t units, std::int64_t count) { return (units + count - 1) / count; };
  // The side that is longer is cut next: square tiles have the least halo.
  std::int64_t rows = 1, columns = 1;
  for (;;) {
    const std::int64_t tall = longest(most_rows, rows), wide = longest(most_columns, columns);
    if (tall * wide * multiple * multiple <= largest || (tall == 1 && wide == 1)) break;
    (tall > wide ? rows : columns) += 1;
  }
  std::vector<Tile> tiles;
  for (const TileSpan& row : spans_of(height, rows, multiple, halo))
    for (const TileSpan& column : spans_of(width, columns, multiple, halo)) tiles.push_back({row, column});
  return tiles;
}

}  // namespace digfusion
