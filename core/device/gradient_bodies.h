// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Bodies of gradient-domain fusion: what a pixel, a cell or a number is made of. The definition, with its
// reasons, is core/fusion/gradient.cpp, temporal.cpp, tone.cpp and poisson.cpp.
#pragma once

#include "core/device/gradient_stream.h"

namespace digfusion {

DIGFUSION_HD inline MapValue map_of(const float* maps, Extent2 e, int k) {
  return {maps + std::int64_t(k) * e.area(), e.width};
}

// --- what moves

/// Cell `index` of 16×16 over a picture, as at::adaptive_avg_pool2d() cuts it.
struct ThumbnailCell {
  int top, left, height, width;
  DIGFUSION_HD ThumbnailCell(Extent2 e, int index) {
    const int row = index / 16, column = index % 16;
    top = row * e.height / 16, left = column * e.width / 16;
    height = ((row + 1) * e.height + 15) / 16 - top, width = ((column + 1) * e.width + 15) / 16 - left;
  }
  DIGFUSION_HD int pixels() const { return height * width; }
};

inline constexpr double least_change = 3 * 2 / 255.;

/// The largest of 3×3; of what isn't negative.
DIGFUSION_HD inline float dilated_at(const MapValue& map, Extent2 e, int x, int y) {
  float most = 0;
  for (int j = larger(y - 1, 0); j <= smaller(y + 1, e.height - 1); ++j)
    for (int i = larger(x - 1, 0); i <= smaller(x + 1, e.width - 1); ++i) most = larger(most, map(j, i));
  return most;
}

/// The block's contrast, the energy of its change without the shift of the light, and whether that is motion.
DIGFUSION_HD inline void motion_at(const GradientStream& s, Extent2 e1, Extent2 e2, Extent2 e3, int x, int y,
                                   int k) {
  const std::int64_t at = (std::int64_t(k) * e2.height + y) * e2.width + x;
  const float mean = enlarged_at(map_of(s.blocks3, e3, k), e3, 2, y, x);
  const float contrast = larger(enlarged_at(map_of(s.squares3, e3, k), e3, 2, y, x) - mean * mean, 0.f);
  s.contrast[at] = contrast;
  if (s.numbers->fresh) {
    s.energy[at] = s.motion[at] = 0;
    return;
  }
  const float shift = s.numbers->shift[k];
  const MapValue change = map_of(s.change, e1, k);
  const auto square = [&](int j, int i) { return (change(j, i) - shift) * (change(j, i) - shift); };
  const float energy = halved_at(square, e1, y, x),
              drift = enlarged_at(map_of(s.change3, e3, k), e3, 2, y, x) - shift;
  const float usual = s.numbers->past.change_noise[k] + smaller(contrast, s.contrast_past[at]) * 0.03f;
  s.energy[at] = energy;
  s.motion[at] = within((larger(energy, drift * drift * 4) / usual - 3) / 3, 0.f, 1.f);
}

template <class Block>
DIGFUSION_HD float median_of(Block& block, const float* values, int count) {
  return ranked(block, count, (count - 1) / 2, [&](int i) { return values[i]; });
}
template <class Block>
DIGFUSION_HD float quarter_of(Block& block, const float* values, int count) {
  return ranked(block, count, count / 4, [&](int i) { return values[i]; });
}

/// What the motion means for the numbers: the light's shift, and how much of the past holds.
DIGFUSION_HD inline void follow_numbers(const GradientStream& s) {
  StreamNumbers& n = *s.numbers;
  const LongNumbers& past = n.past;
  LongNumbers& next = n.next;
  const float least = static_cast<float>(least_change * least_change);
  n.level_shift = n.renewal = 0;
  if (n.fresh) {
    for (int k = 0; k < s.count; ++k) n.shift[k] = 0, next.change_noise[k] = least;
    n.share = 1;
    return;
  }
  double moving = 0;
  for (int k = 0; k < s.count; ++k) {
    moving = larger(moving, n.moving[k]);
    next.source_mean[k] = past.source_mean[k] + n.shift[k];
    n.level_shift += double(n.shift[k]) / s.count;
    const float noise = past.change_noise[k];
    next.change_noise[k] = larger(noise + 0.1f * (smaller(n.quiet[k], noise * 4) - noise), least);
  }
  n.renewal = within((moving - 0.5) / (0.8 - 0.5), 0., 1.);
  const double adaptation = s.arguments->settings.adaptation;
  n.share = adaptation + n.renewal * (1 - adaptation);
  next.base_mean = past.base_mean, next.base_deviation = past.base_deviation;
  next.dark = past.dark + n.level_shift, next.bright = past.bright + n.level_shift;
}

// --- evidence and weights

/// How far infrared source k ≥ 1 is above its surroundings.
DIGFUSION_HD inline float heat_at(const GradientStream& s, int x, int y, int k) {
  const Extent2 small = s.small(s.heat_shrink);
  return map_of(s.clean, s.size, k)(y, x) -
         enlarged_at(map_of(s.heat_small, small, k - 1), small, s.heat_shrink, y, x);
}

/// |Sobel|²/64 with the border repeated.
DIGFUSION_HD inline float sobel_energy_at(const MapValue& c, Extent2 e, int x, int y) {
  const int up = larger(y - 1, 0), down = smaller(y + 1, e.height - 1), left = larger(x - 1, 0),
            right = smaller(x + 1, e.width - 1);
  const float gx = (c(up, right) + 2 * c(y, right) + c(down, right)) -
                   (c(up, left) + 2 * c(y, left) + c(down, left)),
              gy = (c(down, left) - c(up, left)) + 2 * (c(down, x) - c(up, x)) +
                   (c(down, right) - c(up, right));
  return (gx * gx + gy * gy) * (1.f / 64);
}

/// Mean over the levels of the log of the smoothed errors, from ln error as the network gives it.
DIGFUSION_HD inline float mean_log_error(const GradientStream& s, const NetworkMap& side, int x, int y,
                                         int k) {
  float sum = 0;
  for (int m = 0; m < s.levels; ++m) {
    const float offset = s.level_offset[m];
    const auto error = [&](int j, int i) { return expf(side.at(k, m, j, i) + offset); };
    sum += logf(box_at(error, side.size, s.error_radius_cells, y, x) + 1e-7f);
  }
  return sum / static_cast<float>(s.levels);
}

DIGFUSION_HD inline float log_evidence(const GradientStream& s, const float* energy, Extent2 errors, int x,
                                       int y, int k) {
  const float energy_share = s.levels > 0 ? s.energy_share : 1.f;
  float sum = logf(box_at(map_of(energy, s.size, k), s.size, 1, y, x) + 1e-6f) * energy_share;
  if (s.levels > 0)
    sum += (1 - s.energy_share) * interpolated(map_of(s.error, errors, k), errors,
                                               double(errors.height) / s.size.height,
                                               double(errors.width) / s.size.width, y, x);
  if (k > 0) sum += s.arguments->settings.hot_weight * within(heat_at(s, x, y, k) * 2.5f, 0.f, 1.f);
  return sum;
}

/// The share of this frame in a mean over time, of a pixel.
DIGFUSION_HD inline float time_share(const GradientStream& s, int x, int y) {
  const Extent2 e = s.size2();
  return enlarged_at(map_of(s.share, e, 0), e, 4, y, x);
}

/// Softmax over the sources of the smoothed evidence, and its mean over time.
DIGFUSION_HD inline void weights_at(const GradientStream& s, const float* along, int x, int y) {
  const int top = larger(y - 3, 0), bottom = smaller(y + 3, s.size.height - 1);
  float value[most_sources], most = -HUGE_VALF, sum = 0;
  for (int k = 0; k < s.count; ++k) {
    const MapValue map = map_of(along, s.size, k);
    float column = 0;
    for (int j = top; j <= bottom; ++j) column += map(j, x);
    value[k] = column / static_cast<float>(bottom - top + 1) * s.sharpness;
    most = larger(most, value[k]);
  }
  for (int k = 0; k < s.count; ++k) sum += value[k] = expf(value[k] - most);
  const bool fresh = s.numbers->fresh;
  const float share = fresh ? 1.f : time_share(s, x, y);
  for (int k = 0; k < s.count; ++k) {
    const std::int64_t at = (std::int64_t(k) * s.size.height + y) * s.size.width + x;
    const float now = value[k] / sum;
    s.weights[at] = fresh ? now : s.weights_past[at] + share * (now - s.weights_past[at]);
  }
}

DIGFUSION_HD inline float base_at(const GradientStream& s, int x, int y) {
  const Extent2 small = s.small(s.base_shrink);
  float sum = 0, heat = 0;
  for (int k = 0; k < s.count; ++k) {
    const float choice = enlarged_at(map_of(s.base_small, small, k), small, s.base_shrink, y, x) *
                         (static_cast<float>(s.count) * s.base_choice);
    sum += (choice + (1 - s.base_choice)) *
           (map_of(s.clean, s.size, k)(y, x) - static_cast<float>(s.numbers->next.source_mean[k]));
    if (k > 0) heat = larger(heat, heat_at(s, x, y, k));
  }
  return sum + s.arguments->settings.hot_base * heat;
}

/// div Σ_k w_k ∇c_k, forward differences, none across the border.
DIGFUSION_HD inline float divergence_at(const GradientStream& s, int x, int y) {
  const int width = s.size.width, height = s.size.height;
  float sum = 0;
  for (int k = 0; k < s.count; ++k) {
    const MapValue c = map_of(s.clean, s.size, k), w = map_of(s.weights, s.size, k);
    const float here = c(y, x), weight = w(y, x);
    if (x + 1 < width) sum += weight * (c(y, x + 1) - here);
    if (y + 1 < height) sum += weight * (c(y + 1, x) - here);
    if (x > 0) sum -= w(y, x - 1) * (here - c(y, x - 1));
    if (y > 0) sum -= w(y - 1, x) * (here - c(y - 1, x));
  }
  return sum;
}

/// Where the solver starts, and its right side.
DIGFUSION_HD inline void start_solution(const GradientStream& s, int x, int y) {
  const LongNumbers& n = s.numbers->next;
  const std::int64_t at = std::int64_t(y) * s.size.width + x;
  double level = 0;
  for (int k = 0; k < s.count; ++k) level += n.source_mean[k] / s.count;
  const double scale = within((50 / 127.5) / larger(n.base_deviation, 1e-3), .5, 1.4);
  const float base =
      (s.base[at] - static_cast<float>(n.base_mean)) * static_cast<float>(scale) + static_cast<float>(level);
  s.solution[at] = base;
  s.right_side[at] = base * s.screening - s.arguments->settings.gain * divergence_at(s, x, y);
}

// --- multigrid

/// right_side + what flows in from the neighbours.
DIGFUSION_HD inline float inflow(const PoissonGrid& g, int x, int y) {
  const float* f = g.solution + std::int64_t(y) * g.size.width + x;
  float sum = g.right_side[std::int64_t(y) * g.size.width + x];
  if (y > 0) sum += g.up[y] * f[-g.size.width];
  if (y + 1 < g.size.height) sum += g.down[y] * f[g.size.width];
  if (x > 0) sum += g.left[x] * f[-1];
  if (x + 1 < g.size.width) sum += g.right[x] * f[1];
  return sum;
}
DIGFUSION_HD inline float diagonal(const PoissonGrid& g, float mu, int x, int y) {
  return mu + g.up[y] + g.down[y] + g.left[x] + g.right[x];
}
/// Cell number i of row y among those of colour `half`, in place: no two of one colour are neighbours.
DIGFUSION_HD inline void relax(const PoissonGrid& g, float mu, int half, int i, int y) {
  const int x = 2 * i + ((y + half) & 1);
  if (x < g.size.width)
    g.solution[std::int64_t(y) * g.size.width + x] = inflow(g, x, y) / diagonal(g, mu, x, y);
}
DIGFUSION_HD inline float residual(const PoissonGrid& g, float mu, int x, int y) {
  return inflow(g, x, y) - diagonal(g, mu, x, y) * g.solution[std::int64_t(y) * g.size.width + x];
}
/// The mean residual of a coarser cell's finer ones becomes its right side; its solution starts at 0.
DIGFUSION_HD inline void restrict_to(const PoissonGrid& fine, const PoissonGrid& coarse, float mu, int x,
                                     int y) {
  const float a = fine.row_share[y], b = fine.column_share[x];
  const auto row = [&](int j) {
    const float first = residual(fine, mu, 2 * x, j);
    return 2 * x + 1 < fine.size.width ? b * first + (1 - b) * residual(fine, mu, 2 * x + 1, j) : first;
  };
  const float first = row(2 * y);
  const std::int64_t at = std::int64_t(y) * coarse.size.width + x;
  coarse.right_side[at] = 2 * y + 1 < fine.size.height ? a * first + (1 - a) * row(2 * y + 1) : first;
  coarse.solution[at] = 0;
}
/// Adds the coarser grid's correction, bilinearly; there is none beyond the border.
DIGFUSION_HD inline void prolong_to(const PoissonGrid& fine, const PoissonGrid& coarse, int x, int y) {
  const int cy = y / 2, cx = x / 2, far_y = cy + (y & 1 ? 1 : -1), far_x = cx + (x & 1 ? 1 : -1);
  const float lean_y = fine.row_lean[y & 1][cy], lean_x = fine.column_lean[x & 1][cx];
  const auto at = [&](int j, int i) {
    return j >= 0 && j < coarse.size.height && i >= 0 && i < coarse.size.width
               ? coarse.solution[std::int64_t(j) * coarse.size.width + i]
               : 0.f;
  };
  const float near = (1 - lean_y) * at(cy, cx) + lean_y * at(far_y, cx),
              far = (1 - lean_y) * at(cy, far_x) + lean_y * at(far_y, far_x);
  fine.solution[std::int64_t(y) * fine.size.width + x] += near + lean_x * (far - near);
}

inline constexpr int multigrid_sweeps = 2;

/// The cycle from grid `first` down and up again, by one block of threads: the coarse grids are too small for
/// more.
template <class Block>
DIGFUSION_HD void coarse_cycle(Block& block, const PoissonGrid* grid, int first, int grids, float mu) {
  const auto sweep = [&](const PoissonGrid& g) {
    const int half_width = (g.size.width + 1) / 2;
    for (int i = 0; i < 2 * multigrid_sweeps; ++i)
      block.for_all(half_width * g.size.height,
                    [&](int cell) { relax(g, mu, i & 1, cell % half_width, cell / half_width); });
  };
  for (int n = first; n < grids; ++n) {
    sweep(grid[n]);
    if (n + 1 == grids) break;
    const int width = grid[n + 1].size.width;
    block.for_all(grid[n + 1].size.area(),
                  [&](int cell) { restrict_to(grid[n], grid[n + 1], mu, cell % width, cell / width); });
  }
  for (int n = grids - 2; n >= first; --n) {
    const int width = grid[n].size.width;
    block.for_all(grid[n].size.area(),
                  [&](int cell) { prolong_to(grid[n], grid[n + 1], cell % width, cell / width); });
    sweep(grid[n]);
  }
}

// --- tone

inline constexpr int tone_bins = 4096;
inline constexpr float tone_reach = 4;

/// Both ends of the solution's values, from the histogram, by a block of threads; into the means over time.
template <class Block>
DIGFUSION_HD void find_tone(Block& block, const GradientStream& s) {
  constexpr int each = tone_bins / 256;
  block.for_all(256, [&](int i) {
    block.counter[i] = 0;
    for (int j = 0; j < each; ++j) block.counter[i] += s.histogram[i * each + j];
  });
  block.once([&] {
    const double total = s.size.area();
    const auto find = [&](double share) {
      double below = 0;
      int chunk = 0;
      while (chunk < 256 && !(block.counter[chunk] > 0 && below + block.counter[chunk] >= share * total))
        below += block.counter[chunk++];
      for (int i = chunk * each; i < tone_bins; ++i) {
        const double count = s.histogram[i];
        if (count > 0 && below + count >= share * total)
          return tone_reach * (2 * (i + (share * total - below) / count) / tone_bins - 1);
        below += count;
      }
      return double(tone_reach);
    };
    LongNumbers& next = s.numbers->next;
    const double share = s.numbers->share, dark = find(.02), bright = find(.98);
    next.dark = share == 1 ? dark : next.dark + share * (dark - next.dark);
    next.bright = share == 1 ? bright : next.bright + share * (bright - next.bright);
  });
}

DIGFUSION_HD inline float toned(float value, double dark, double bright) {
  const double limit = 1 - 2 * 4 / 255., half = larger((bright - dark) / 2, 1e-6),
               middle = (bright + dark) / 2;
  const double gain = smaller(limit / half, 1.0), room = larger(limit - gain * half, 0.0);
  const float shoulder = 2 * 15 / 255.f, knee = 1 - shoulder;
  const float moved = (value - static_cast<float>(middle)) * static_cast<float>(gain) +
                      static_cast<float>(within(middle, -room, room));
  const float inner = within(moved, -knee, knee);
  return inner + tanhf((moved - inner) * (1 / shoulder)) * shoulder;
}

/// A pixel of the result, and whether it is a number at all.
DIGFUSION_HD inline void finish_pixel(const GradientStream& s, int x, int y) {
  StreamNumbers& n = *s.numbers;
  const std::int64_t at = std::int64_t(y) * s.size.width + x;
  float value = toned(s.solution[at], n.next.dark, n.next.bright);
  if (!n.fresh) {
    const float before = s.fused_past[at] + static_cast<float>(n.level_shift);
    value = before + time_share(s, x, y) * (value - before);
  }
  s.fused[at] = value;
  if (!(fabsf(value) < 1e30f)) count_up(&n.holes);
}

}  // namespace digfusion
