// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One stream of method=gradient in a device's memory: what its kernels read and write.
// core/fusion/gradient.cpp, temporal.cpp, tone.cpp, noise_levels.cpp and image/noise_estimate.cpp are the
// definition. Nothing here is read by the host but StreamNumbers, once a frame.
#pragma once

#include <cstdint>

#include "core/device/picture_views.h"
#include "core/device/sampling.h"
#include "core/device/view_settings.h"

namespace digfusion {

/// What may change from frame to frame without another graph.
struct GradientSettings {
  int restart, restart_noise;  ///< 1: there is no past
  double adaptation;
  float gain, hot_base, hot_weight, still_share;
  int noise_is_automatic[most_sources];
  double white[most_sources], column[most_sources];  ///< given noise, of 255
};

/// Uploaded each frame from pinned memory.
struct FrameArguments {
  FrameViews views;
  GradientSettings settings;
  ViewSettings view;
};

/// Means over time.
struct LongNumbers {
  int valid, noise_valid;
  double source_mean[most_sources];
  double base_mean, base_deviation, dark, bright;
  float change_noise[most_sources];                  ///< SceneMemory's noise_
  double white[most_sources], column[most_sources];  ///< NoiseLevels' means
};

struct StreamNumbers {
  LongNumbers past, next;
  // Of this frame:
  std::uint32_t holes;  ///< pixels of the result that aren't finite
  int fresh;            ///< 1: there is no past
  float shift[most_sources];
  double level_shift, share, renewal;
  double infrared_share;  ///< mean over the picture of the infrared sources' weights
  double moving[most_sources];
  float quiet[most_sources];
  float white_found[most_sources], typical[most_sources], column_found[most_sources][2];
  double white[most_sources], column[most_sources];  ///< noise to be taken away, of 255
  float skip[most_sources], scale[most_sources];     ///< of the noisy picture, of the network's output
};

/// A tensor of the network [N,C,h,w] in any memory format.
struct NetworkMap {
  const void* data;
  Number type;
  std::int64_t n, c, y, x;  ///< strides, in numbers
  Extent2 size;
  DIGFUSION_HD float at(int in, int ic, int iy, int ix) const {
    return load_number(data, in * n + ic * c + iy * y + ix * x, type);
  }
};

/// For each source its row in the network's first output, or -1 where its noise stays.
struct NoiseRows {
  int row[most_sources];
};

/// One resolution of the solver (core/fusion/poisson.h).
struct PoissonGrid {
  Extent2 size;
  const float *up, *down, *left, *right;      ///< coefficients, a row or column each
  const float *row_share, *column_share;      ///< share_first, for the next coarser grid
  const float *row_lean[2], *column_lean[2];  ///< lean_first, lean_second
  float *solution, *right_side;
};

/// Sizes that a graph is made for, and every buffer; `count` sources on a padded grid `size`.
struct GradientStream {
  int count;
  Extent2 picture, size;  ///< as the pictures come, and padded
  int unshuffle;
  Number network;
  // Constants of the rule (core/fusion/gradient.h)
  float energy_share, sharpness, base_choice, screening;
  int cycles, error_radius_cells;
  int levels;              ///< M of the student; 0: gradient energy alone
  float level_offset[16];  ///< ln of the typical error of each
  Taps heat_taps, base_taps;
  int heat_shrink, base_shrink;

  const FrameArguments* arguments;
  StreamNumbers* numbers;

  float* planes;                    ///< [K,H,W] as read
  void* network_input;              ///< [K,H/u,W/u,u²] twice the luma
  float* told;                      ///< [K,4]
  float* clean;                     ///< [K,H,W]; may be `planes`
  float *first, *second;            ///< [K,H,W] of passing use
  float* error;                     ///< [K,h,w]: mean log of the smoothed errors
  float *heat_small, *heat_middle;  ///< [K-1,…]
  float *base_small, *base_middle;  ///< [K,…]
  float* base;                      ///< [H,W]
  std::uint32_t* histogram;         ///< 4096
  float *weights, *weights_past, *fused, *fused_past;

  // SceneMemory; halves of the grid: size1, size2, size3
  float *thumbnails, *thumbnails_past;                                           ///< [K,16,16]
  float *now, *mean, *mean_past, *change;                                        ///< [K,size1]
  float *blocks, *contrast, *contrast_past, *change2, *energy, *motion, *share;  ///< [K,size2]; share [size2]
  float *squares3, *blocks3, *change3, *energy3;                                 ///< [K,size3]

  // The infrared picture's surroundings, for a palette
  Extent2 around_grid;
  float *around, *around_middle;

  // The noise of the sources
  float* responses;    ///< [K, white_places]
  float* differences;  ///< [K, 2, parts, W - 4]

  int grids;
  float *solution, *right_side;              ///< of the finest grid
  const PoissonGrid *grid, *grid_on_device;  ///< the host's and the device's copy, the finest first

  DIGFUSION_HD Extent2 size1() const { return half_of(size); }
  DIGFUSION_HD Extent2 size2() const { return half_of(size1()); }
  DIGFUSION_HD Extent2 size3() const { return half_of(size2()); }
  DIGFUSION_HD Extent2 small(int shrink) const {
    return {(size.height + shrink - 1) / shrink, (size.width + shrink - 1) / shrink};
  }
};

}  // namespace digfusion
