// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/pad.h"

#include <algorithm>

namespace digfusion {

at::Tensor pad_to_multiple(at::Tensor pictures, std::int64_t multiple) {
  const auto rounded_up = [&](std::int64_t size) { return (size + multiple - 1) / multiple * multiple; };
  const std::int64_t height = rounded_up(pictures.size(2)), width = rounded_up(pictures.size(3));
  while (pictures.size(2) < height || pictures.size(3) < width)
    pictures = at::reflection_pad2d(pictures, {0, std::min(width - pictures.size(3), pictures.size(3) - 1), 0,
                                               std::min(height - pictures.size(2), pictures.size(2) - 1)});
  return pictures;
}

}  // namespace digfusion
