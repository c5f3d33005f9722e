// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/samples.h"

#include <cmath>

namespace digfusion {

LumaCoefficients luma_coefficients(Matrix matrix) {
  switch (matrix) {
    case Matrix::bt709:
      return {0.2126, 0.0722};
    case Matrix::bt2020:
      return {0.2627, 0.0593};
    case Matrix::smpte240m:
      return {0.212, 0.087};
    case Matrix::fcc:
      return {0.30, 0.11};
    case Matrix::rgb:
    case Matrix::bt601:
      break;
  }
  return {0.299, 0.114};
}

LumaWeights luma_weights(Matrix matrix) {
  if (matrix == Matrix::rgb || matrix == Matrix::bt601)
    return {9798, 19235, 3735};  // OpenCV's, which don't round r to nearest
  const auto [r, b] = luma_coefficients(matrix);
  const int one = 1 << luma_weight_bits;
  const int wr = static_cast<int>(std::lround(r * one)), wb = static_cast<int>(std::lround(b * one));
  return {wr, one - wr - wb, wb};
}

void copy_planes(const Image& visible, const Image& output, int written) {
  for (int p = 0; p < visible.planes; ++p) {
    int first = visible.components, last = -1;
    for (int c = 0; c < visible.components; ++c)
      if (visible.component[c].plane == p) {
        first = std::min(first, c);
        last = c;
      }
    if (first <= last && last < written) continue;
    const Plane &from = visible.plane[p], &to = output.plane[p];
    const std::size_t bytes = std::min(from.row_bytes, to.row_bytes);
    for (int y = 0; y < std::min(from.rows, to.rows); ++y)
      std::memcpy(to.data + y * to.stride, from.data + y * from.stride, bytes);
  }
}

}  // namespace digfusion
