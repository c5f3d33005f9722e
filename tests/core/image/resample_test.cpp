// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/resample.h"

#include <gtest/gtest.h>

#include <tuple>

#include "tests/core/tensors.h"

namespace digfusion {
namespace {

TEST(Resample, EqualsATensInFloat64) {
  for (const auto& [from_height, from_width, height, width] :
       {std::tuple(1, 1, 5, 7), std::tuple(3, 4, 24, 32), std::tuple(5, 3, 17, 100),
        std::tuple(6, 80, 6, 640), std::tuple(31, 18, 16, 9)}) {
    const at::Tensor maps = random_tensor({2, 3, from_height, from_width}, 4);
    const at::Tensor expected = at::upsample_bilinear2d(maps.to(at::kDouble), {height, width}, false);
    EXPECT_TRUE(at::allclose(resample(maps, height, width), expected.to(at::kFloat), 1e-5, 1e-5));
    EXPECT_TRUE(at::equal(resample(maps.to(at::kDouble), height, width), expected));
  }
}

}  // namespace
}  // namespace digfusion
