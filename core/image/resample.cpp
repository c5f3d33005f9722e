// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/resample.h"

#include <algorithm>
#include <vector>

#include "core/device/clones.h"
#include "core/device/loops.h"

namespace digfusion {
namespace {

/// Where each position of the new grid lies between two of the old one.
struct Places {
  Places(std::int64_t before, std::int64_t now) {
    for (std::int64_t i = 0; i < now; ++i) {
      const double place = std::max((double(i) + .5) * double(before) / double(now) - .5, 0.);
      first.push_back(std::min(std::int64_t(place), before - 1));
      second.push_back(std::min(first.back() + 1, before - 1));
      share.push_back(float(place - double(first.back())));
    }
  }
  std::vector<std::int64_t> first, second;
  std::vector<float> share;  ///< of the second
};

DIGFUSION_CLONES void mix_rows(const float* __restrict first, const float* __restrict second, float share,
                               float* __restrict out, std::int64_t width) {
  for (std::int64_t x = 0; x < width; ++x) out[x] = first[x] + share * (second[x] - first[x]);
}

}  // namespace

at::Tensor resample(const at::Tensor& maps, std::int64_t height, std::int64_t width) {
  if (!takes_loops(maps)) return at::upsample_bilinear2d(maps, {height, width}, false);
  const at::Tensor dense = maps.contiguous();
  const std::int64_t rows_before = dense.size(2), columns_before = dense.size(3),
                     count = dense.size(0) * dense.size(1);
  const Places rows(rows_before, height), columns(columns_before, width);
  at::Tensor wide = at::empty({count, rows_before, width}, dense.options()),
             result = at::empty({dense.size(0), dense.size(1), height, width}, dense.options());
  const float* from = dense.const_data_ptr<float>();
  float* middle = wide.data_ptr<float>();
  float* to = result.data_ptr<float>();
  for_row_ranges(count * rows_before, width, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const float* here = from + row * columns_before;
      for (std::int64_t x = 0; x < width; ++x) {
        const auto i = std::size_t(x);
        const float first = here[columns.first[i]];
        middle[row * width + x] = first + columns.share[i] * (here[columns.second[i]] - first);
      }
    }
  });
  for_row_ranges(count * height, width, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const auto y = std::size_t(row % height);
      const float* map = middle + row / height * rows_before * width;
      mix_rows(map + rows.first[y] * width, map + rows.second[y] * width, rows.share[y], to + row * width,
               width);
    }
  });
  return result;
}

}  // namespace digfusion
