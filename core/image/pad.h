// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <ATen/ATen.h>

namespace digfusion {

/// pictures [N,C,H,W], H and W ≥ 2, grown at the bottom and right, by reflection, to multiples of `multiple`.
/// Reflection reaches no further than a picture's own size, so a picture smaller than a coarse network's
/// multiple is reflected more than once. Crop with narrow(2, 0, H).narrow(3, 0, W).
at::Tensor pad_to_multiple(at::Tensor pictures, std::int64_t multiple);

}  // namespace digfusion
