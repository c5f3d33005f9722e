// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Figures made of histograms and moments. Pictures are luma on 0..255, CV_64F, one channel, of one size and
// not empty; nothing is checked here (core/metrics/metrics.h does).
#pragma once

#include <opencv2/core.hpp>

namespace digfusion::metrics {

/// EN: entropy of the 256-bin histogram of the rounded values (half to even), bits, 0..8.
double entropy(const cv::Mat& picture);

/// SD: population standard deviation.
double standard_deviation(const cv::Mat& picture);

/// Mutual information from the 256×256 joint histogram of the rounded values, nats. MI is that of f with a
/// plus that of f with b; most papers print bits: × 1.4427.
double mutual_information(const cv::Mat& first, const cv::Mat& second);

double mean_squared_error(const cv::Mat& first, const cv::Mat& second);

/// 10 log10(255²/mse), decibel; infinite when mse is 0.
double peak_signal_to_noise_ratio(double mse);

/// Pearson's r, -1..1; 0 when either picture is constant. Takes any values, a difference of pictures too
/// (SCD).
double correlation(const cv::Mat& first, const cv::Mat& second);

}  // namespace digfusion::metrics
