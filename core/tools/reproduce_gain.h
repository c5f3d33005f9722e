// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Figure 5 of Dig2DIG: how the information gain of each modality adds up over the sampling steps, in the
// whole picture and in three regions of it.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <opencv2/core.hpp>
#include <vector>

#include "core/tools/reproduce_report.h"

namespace digfusion::tools {

/// Mean and population variance over the pixels of a region.
struct Moments {
  double mean = 0, variance = 0;
};

/// distances [L,K,1,H,W], l(ĉ_k^t, c_k) at L falling timesteps → [L+1,K,H,W]: the gains (8) with S = 1 from
/// the first step on, summed up to each step. Row 0 is 0; the last one, at t' = 0, is the first step's
/// distance.
at::Tensor cumulative_gain(const at::Tensor& distances);

/// Of one map [H,W] within a region.
Moments moments_of(const at::Tensor& map, const Region& region);

/// Three squares, a quarter of the shorter side wide, that don't overlap, from what each modality gains in
/// all (CV_64F): where the first gains most over the second, where the second gains most over the first, and
/// where both together gain least (flat places).
std::array<Region, 3> choose_regions(const cv::Mat& first, const cv::Mat& second);

/// Runs it for all pairs and writes figure5.{csv,md,png} and figure5_regions.png: means over the pairs of
/// each region's mean and variance. Throws std::runtime_error, Error.
void reproduce_figure5(const ReproduceOptions& options);

}  // namespace digfusion::tools
