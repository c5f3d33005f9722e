// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/gradient_loops.h"

#include <algorithm>
#include <vector>

#include "core/device/clones.h"
#include "core/device/loops.h"

namespace digfusion {
namespace {

/// Rows y-1, y, y+1 to energies; `down` and `along` have room for width + 2 numbers.
DIGFUSION_CLONES void energy_row(const float* __restrict above, const float* __restrict here,
                                 const float* __restrict below, float* __restrict down,
                                 float* __restrict across, float* __restrict out, std::int64_t width) {
  for (std::int64_t x = 0; x < width; ++x) {
    down[x + 1] = above[x] + 2 * here[x] + below[x];
    across[x + 1] = below[x] - above[x];
  }
  for (float* row : {down, across}) row[0] = row[1], row[width + 1] = row[width];
  for (std::int64_t x = 0; x < width; ++x) {
    const float gx = down[x + 2] - down[x], gy = across[x] + 2 * across[x + 1] + across[x + 2];
    out[x] = (gx * gx + gy * gy) * (1.f / 64);
  }
}

/// out += w · (to - from).
DIGFUSION_CLONES void add_flow(const float* __restrict w, const float* __restrict from,
                               const float* __restrict to, float* __restrict out, std::int64_t count) {
  for (std::int64_t x = 0; x < count; ++x) out[x] += w[x] * (to[x] - from[x]);
}

/// `along` holds the flow to the right of each pixel from its second number on, and zeros at both ends.
DIGFUSION_CLONES void diverge(const float* __restrict along, const float* __restrict before,
                              const float* __restrict after, float gain, float* __restrict out,
                              std::int64_t width) {
  for (std::int64_t x = 0; x < width; ++x) out[x] = gain * (along[x + 1] - along[x] + after[x] - before[x]);
}

}  // namespace

bool is_loopable(const at::Tensor& pictures) { return takes_loops(pictures) && pictures.is_contiguous(); }

at::Tensor sobel_energy_loops(const at::Tensor& sources) {
  const std::int64_t height = sources.size(2), width = sources.size(3);
  at::Tensor energy = at::empty_like(sources);
  const float* from = sources.const_data_ptr<float>();
  float* to = energy.data_ptr<float>();
  for_row_ranges(sources.size(0) * height, width, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> down(std::size_t(width + 2)), across(down.size());
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t y = row % height;
      const float* here = from + row * width;
      energy_row(y > 0 ? here - width : here, here, y + 1 < height ? here + width : here, down.data(),
                 across.data(), to + row * width, width);
    }
  });
  return energy;
}

at::Tensor divergence_loops(const at::Tensor& sources, const at::Tensor& weights, double gain) {
  const std::int64_t count = sources.size(0), height = sources.size(2), width = sources.size(3);
  at::Tensor divergence = at::empty({1, 1, height, width}, sources.options());
  const float* c = sources.const_data_ptr<float>();
  const float* w = weights.const_data_ptr<float>();
  float* to = divergence.data_ptr<float>();
  for_row_ranges(height, width, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> along(std::size_t(width + 1)), before(std::size_t(width), 0.f), after(before);
    // The flow from row y to the next; none leaves the last row.
    const auto flow_down = [&](std::int64_t y, std::vector<float>& flow) {
      std::fill(flow.begin(), flow.end(), 0.f);
      if (y < 0 || y + 1 == height) return;
      for (std::int64_t k = 0; k < count; ++k) {
        const std::int64_t at = (k * height + y) * width;
        add_flow(w + at, c + at, c + at + width, flow.data(), width);
      }
    };
    flow_down(begin - 1, before);
    for (std::int64_t y = begin; y < end; ++y, std::swap(before, after)) {
      flow_down(y, after);
      std::fill(along.begin(), along.end(), 0.f);
      for (std::int64_t k = 0; k < count; ++k) {
        const std::int64_t at = (k * height + y) * width;
        add_flow(w + at, c + at, c + at + 1, along.data() + 1, width - 1);
      }
      diverge(along.data(), before.data(), after.data(), float(gain), to + y * width, width);
    }
  });
  return divergence;
}

}  // namespace digfusion
