// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The noise of a picture, as core/image/noise_estimate.cpp finds it, and what is taken away of it, as
// core/fusion/noise_levels.cpp decides. Both are the definition.
#pragma once

#include "core/device/gradient_stream.h"

namespace digfusion {

inline constexpr int noise_block = 8, column_parts = 8;

/// Blocks of 8×8 whose response is taken, by one pixel away from the border.
DIGFUSION_HD inline Extent2 white_places(Extent2 e) {
  const int step = e.height * e.width > 64 * 1024 ? 2 * noise_block : noise_block;
  return {(e.height - 2 - noise_block + step) / step, (e.width - 2 - noise_block + step) / step};
}
/// Every eighth row's every third fourth difference.
DIGFUSION_HD inline Extent2 typical_places(Extent2 e) {
  return {(e.height - 4 + 7) / 8, (e.width - 4 + 2) / 3};
}

/// Mean magnitude of Immerkær's operator over a block; infinite where more than a few pixels are clipped.
DIGFUSION_HD inline float white_response(const float* plane, Extent2 e, int row, int column) {
  const int step = e.height * e.width > 64 * 1024 ? 2 * noise_block : noise_block;
  const int top = 1 + row * step, left = 1 + column * step;
  float sum = 0;
  int clipped = 0;
  for (int j = top; j < top + noise_block; ++j) {
    const float* here = plane + std::int64_t(j) * e.width + left;
    const float *above = here - e.width, *below = here + e.width;
    const auto down = [&](int i) { return above[i] - 2 * here[i] + below[i]; };
    float before = down(-1), middle = down(0);
    for (int i = 0; i < noise_block; ++i) {
      const float after = down(i + 1);
      sum += fabsf(before - 2 * middle + after);
      clipped += fabsf(here[i]) > 0.999f;
      before = middle, middle = after;
    }
  }
  return clipped > noise_block * noise_block / 16 ? HUGE_VALF
                                                  : sum / static_cast<float>(noise_block * noise_block);
}

DIGFUSION_HD inline float fourth_difference_at(const float* x) {
  return x[0] + x[4] + 6 * x[2] - 4 * (x[1] + x[3]);
}

/// The flattest tenth of the blocks' responses.
template <class Block>
DIGFUSION_HD float flattest(Block& block, const float* responses, int count) {
  block.once([&] { block.word[2] = 0; });
  block.for_all(count, [&](int i) {
    if (responses[i] < HUGE_VALF) count_up(block.word + 2);
  });
  const int valid = static_cast<int>(block.word[2]);
  if (valid == 0) return 0;
  return ranked(block, count, static_cast<int>(0.1 * (valid - 1)), [&](int i) { return responses[i]; });
}

/// Median magnitude of the fourth differences of every eighth row.
template <class Block>
DIGFUSION_HD float typical_difference(Block& block, const float* plane, Extent2 e, Extent2 places) {
  return ranked(block, places.area(), static_cast<int>(0.5 * (places.area() - 1)), [&](int i) {
    const int y = 4 + 8 * (i / places.width), x = 3 * (i % places.width);
    return fabsf(fourth_difference_at(plane + std::int64_t(y) * e.width + x));
  });
}

/// Median magnitude of upper + sign · lower of the columns' mean differences in both halves.
template <class Block>
DIGFUSION_HD float column_median(Block& block, const GradientStream& s, int columns, int k, float sign) {
  const int upper = s.size.height / 2, rows[2] = {upper, s.size.height - upper};
  return ranked(block, columns, static_cast<int>(0.5 * (columns - 1)), [&](int x) {
    double mean[2] = {0, 0};
    for (int half = 0; half < 2; ++half) {
      const float* parts = s.differences + std::int64_t(2 * k + half) * column_parts * columns + x;
      for (int part = 0; part < column_parts; ++part) mean[half] += parts[std::int64_t(part) * columns];
      mean[half] /= rows[half];
    }
    return static_cast<float>(fabs(mean[0] + sign * mean[1]));
  });
}

/// What stands out of `least`.
DIGFUSION_HD inline double stands_out(double level, double least) {
  return sqrt(larger(level * level - least * least, 0.));
}

DIGFUSION_HD inline double mean_noise(double mean, double found, double share) {
  const bool jumps = larger(mean, found) > 1.5 * smaller(mean, found) && fabs(mean - found) > 2;
  return jumps ? found : sqrt((1 - share) * mean * mean + share * found * found);
}
DIGFUSION_HD inline double worth_taking(double found, double from, double full) {
  return found * within((found - from) / (full - from), 0., 1.);
}

/// The last step: source k's levels from what was found, and what the network is told of them.
DIGFUSION_HD inline void decide_noise(const GradientStream& s, int k) {
  StreamNumbers& n = *s.numbers;
  const GradientSettings& settings = s.arguments->settings;
  constexpr double gauss_of_mad = 1.4826, unit = 127.5;
  double white = settings.white[k], column = settings.column[k];
  if (settings.noise_is_automatic[k]) {
    const bool first = settings.restart_noise || !n.past.noise_valid;
    const double share = first ? 1 : settings.adaptation;
    const double found_white = n.white_found[k] / 0.783 * sqrt(M_PI / 2) / 6 * unit;
    const double sum = gauss_of_mad * n.column_found[k][0], difference = gauss_of_mad * n.column_found[k][1];
    const double variance = (sum * sum - difference * difference) / 4 / 70,
                 uncertain = 0.25 * (difference * difference / 2 / 70);
    const double found_column = variance > uncertain ? sqrt(variance) * unit : 0;
    n.next.white[k] = mean_noise(first ? 0 : n.past.white[k], stands_out(found_white, 2), share);
    n.next.column[k] = mean_noise(first ? 0 : n.past.column[k], stands_out(found_column, 1), share);
    white = worth_taking(n.next.white[k], 3, 5);
    column = worth_taking(n.next.column[k], 4, 6);
  } else {
    n.next.white[k] = white;
    n.next.column[k] = column;
  }
  n.white[k] = white;
  n.column[k] = column;
  float* told = s.told + 4 * k;
  told[0] = static_cast<float>(white / 32);
  told[1] = static_cast<float>(sqrt(white / 32));
  told[2] = static_cast<float>(column / 8);
  told[3] = static_cast<float>(sqrt(column / 8));
  constexpr double fine = 10;  // fine_structure of core/denoiser/gradient_student.h
  const double level = sqrt(white * white + column * column), both = level * level + fine * fine;
  n.skip[k] = static_cast<float>(fine * fine / both);
  n.scale[k] = static_cast<float>(level * fine / sqrt(both) / 127.5);
}

}  // namespace digfusion
