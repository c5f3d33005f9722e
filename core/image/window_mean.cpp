// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/window_mean.h"

#include <algorithm>
#include <vector>

#include "core/device/clones.h"
#include "core/device/loops.h"

namespace digfusion {
namespace {

/// out[x] = Σ_i kernel[i] from[x + i].
DIGFUSION_CLONES void sum_along(const float* __restrict from, const float* __restrict kernel,
                                std::int64_t side, float* __restrict out, std::int64_t width) {
  for (std::int64_t x = 0; x < width; ++x) out[x] = kernel[0] * from[x];
  for (std::int64_t i = 1; i < side; ++i)
    for (std::int64_t x = 0; x < width; ++x) out[x] += kernel[i] * from[x + i];
}

/// out[x] = share · shares[x] · Σ_r kernel[r] (row r)[x].
DIGFUSION_CLONES void mean_of_rows(const float* __restrict rows, const float* __restrict kernel,
                                   std::int64_t count, float share, const float* __restrict shares,
                                   float* __restrict out, std::int64_t width) {
  // Some columns at a time, so that the sum stays in registers.
  constexpr std::int64_t piece = 64;
  std::int64_t x = 0;
  for (; x + piece <= width; x += piece) {
    float sum[piece];
    for (std::int64_t i = 0; i < piece; ++i) sum[i] = kernel[0] * rows[x + i];
    for (std::int64_t r = 1; r < count; ++r)
      for (std::int64_t i = 0; i < piece; ++i) sum[i] += kernel[r] * rows[r * width + x + i];
    for (std::int64_t i = 0; i < piece; ++i) out[x + i] = sum[i] * share * shares[x + i];
  }
  for (; x < width; ++x) {
    float sum = kernel[0] * rows[x];
    for (std::int64_t r = 1; r < count; ++r) sum += kernel[r] * rows[r * width + x];
    out[x] = sum * share * shares[x];
  }
}

/// One over the weights that lie within the map, for each position along an axis.
std::vector<float> shares_along(std::int64_t size, const std::vector<float>& kernel) {
  const std::int64_t side = std::int64_t(kernel.size()), radius = side / 2;
  std::vector<double> before = {0};  // sums of the first weights
  for (const float weight : kernel) before.push_back(before.back() + double(weight));
  std::vector<float> shares;
  for (std::int64_t i = 0; i < size; ++i)
    shares.push_back(float(1 / (before[std::size_t(std::min(side, size + radius - i))] -
                                before[std::size_t(std::max<std::int64_t>(radius - i, 0))])));
  return shares;
}

at::Tensor mean_by_loops(const at::Tensor& maps, const std::vector<float>& kernel) {
  const std::int64_t height = maps.size(-2), width = maps.size(-1), rows = maps.numel() / width,
                     side = std::int64_t(kernel.size()), radius = side / 2;
  at::Tensor along = at::empty_like(maps), result = at::empty_like(maps);
  const float* from = maps.const_data_ptr<float>();
  float* middle = along.data_ptr<float>();
  float* to = result.data_ptr<float>();
  for_row_ranges(rows, width, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> padded(std::size_t(width + 2 * radius));
    for (std::int64_t row = begin; row < end; ++row) {
      std::copy_n(from + row * width, width, padded.begin() + radius);
      sum_along(padded.data(), kernel.data(), side, middle + row * width, width);
    }
  });
  const std::vector<float> across = shares_along(width, kernel), down = shares_along(height, kernel);
  for_row_ranges(rows, width, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t y = row % height, first = std::max<std::int64_t>(y - radius, 0),
                         last = std::min(y + radius, height - 1);
      mean_of_rows(middle + (row - y + first) * width, kernel.data() + (first - y + radius), last - first + 1,
                   down[std::size_t(y)], across.data(), to + row * width, width);
    }
  });
  return result;
}

/// Tap by tap along both axes.
at::Tensor mean_by_taps(const at::Tensor& maps, const std::vector<float>& kernel) {
  const std::int64_t radius = std::int64_t(kernel.size()) / 2;
  at::Tensor mean = maps;
  for (const std::int64_t dim : {-1, -2}) {
    const std::int64_t size = maps.size(dim);
    const at::Tensor padded =
        at::constant_pad_nd(mean, dim == -1 ? std::vector{radius, radius}
                                            : std::vector{std::int64_t{0}, std::int64_t{0}, radius, radius});
    at::Tensor sum = at::zeros_like(mean);
    for (std::int64_t i = 0; i < std::int64_t(kernel.size()); ++i)
      sum.add_(padded.narrow(dim, i, size), kernel[std::size_t(i)]);
    const at::Tensor shares = at::tensor(shares_along(size, kernel)).to(sum.options());
    mean = sum.mul_(dim == -1 ? shares : shares.unsqueeze(1));
  }
  return mean;
}

}  // namespace

at::Tensor window_mean(const at::Tensor& maps, const std::vector<float>& kernel) {
  if (kernel.size() <= 1 || maps.numel() == 0) return maps;
  if (takes_loops(maps)) return mean_by_loops(maps.contiguous(), kernel);
  return mean_by_taps(maps, kernel);
}

at::Tensor box_filter(const at::Tensor& maps, int radius) {
  if (radius > 0 && maps.numel() > 0 && !takes_loops(maps)) {
    // One axis after the other; ATen divides by the numbers within the map.
    const std::int64_t side = 2 * std::int64_t{radius} + 1;
    const at::Tensor all = maps.reshape({-1, 1, maps.size(-2), maps.size(-1)});
    const at::Tensor along = at::avg_pool2d(all, {1, side}, 1, {0, radius}, false, false);
    return at::avg_pool2d(along, {side, 1}, 1, {radius, 0}, false, false).view(maps.sizes());
  }
  return window_mean(maps, std::vector<float>(2 * std::size_t(radius) + 1, 1.f));
}

}  // namespace digfusion
