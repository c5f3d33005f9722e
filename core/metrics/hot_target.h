// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What an operator looks for and no metric of metrics.h sees: whether warm targets stand out.
#pragma once

#include <opencv2/core.hpp>
#include <optional>

namespace digfusion::metrics {

/// The mean of f - G(f) over that of i - G(i), G a Gaussian of σ = 40 pixels (reflected border), on the
/// pixels where i - G(i) is above 25 and in its highest 5 %: 1 when hot targets stand out of the fused
/// picture as much as they do in the infrared one. Nothing where no pixel is that hot. Pictures as for
/// measure().
std::optional<double> hot_target_contrast(const cv::Mat& fused, const cv::Mat& infrared);

}  // namespace digfusion::metrics
