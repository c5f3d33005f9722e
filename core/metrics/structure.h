// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Figures made of local means, variances and covariances under Gaussian windows. Pictures are luma on 0..255,
// CV_64F, one channel, of one size; nothing is checked here (core/metrics/metrics.h does).
#pragma once

#include <opencv2/core.hpp>

namespace digfusion::metrics {

/// Structural similarity (Wang et al., 2004): mean over the windows that lie wholly within the picture,
/// Gaussian 11×11, σ = 1.5, K = .01 and .03, L = 255. Symmetric, -1..1, 1 for equal pictures. At least 11×11
/// pixels.
double structural_similarity(const cv::Mat& first, const cv::Mat& second);

/// The same for each window: ten rows and columns fewer than the pictures, `similarity_border` on each side.
cv::Mat similarity_map(const cv::Mat& first, const cv::Mat& second);
inline constexpr int similarity_border = 5;

/// Visual information fidelity in the pixel domain (Sheikh and Bovik, 2006; vifp): 4 scales, windows n = 17,
/// 9, 5, 3, σ = n/5, windows wholly within the picture, noise variance 2, ε = 1e-10. 1 for equal pictures,
/// above 1 where `distorted` has more contrast; 0 when `reference` is constant. At least `vif_minimum_side`
/// pixels high and wide.
double visual_information_fidelity(const cv::Mat& reference, const cv::Mat& distorted);

/// Smaller, and the fourth scale of vifp has no window.
inline constexpr int vif_minimum_side = 41;

}  // namespace digfusion::metrics
