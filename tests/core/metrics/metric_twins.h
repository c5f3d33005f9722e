// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The metrics a second time, as plain loops over their definitions, without OpenCV's filters: slow, and easy
// to hold against the papers.
#pragma once

#include <opencv2/core.hpp>

namespace digfusion::twins {

double entropy(const cv::Mat& f);
double standard_deviation(const cv::Mat& f);
double spatial_frequency(const cv::Mat& f);
double average_gradient(const cv::Mat& f);
double edge_intensity(const cv::Mat& f);
double mutual_information(const cv::Mat& x, const cv::Mat& y);
double mean_squared_error(const cv::Mat& x, const cv::Mat& y);
double correlation(const cv::Mat& x, const cv::Mat& y);
double structural_similarity(const cv::Mat& x, const cv::Mat& y);
double visual_information_fidelity(const cv::Mat& reference, const cv::Mat& distorted);
double qabf(const cv::Mat& f, const cv::Mat& a, const cv::Mat& b);
double nabf(const cv::Mat& f, const cv::Mat& a, const cv::Mat& b);
cv::Mat laplacian(const cv::Mat& a, const cv::Mat& b);

}  // namespace digfusion::twins
