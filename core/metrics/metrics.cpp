// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/metrics/metrics.h"

#include <stdexcept>
#include <string>

#include "core/metrics/gradients.h"
#include "core/metrics/statistics.h"
#include "core/metrics/structure.h"

namespace digfusion::metrics {

const int minimum_side = vif_minimum_side;

namespace {

std::string size_text(const cv::Mat& picture) {
  return std::to_string(picture.cols) + "x" + std::to_string(picture.rows);
}

void check_picture(const cv::Mat& picture, const std::string& name) {
  if (picture.dims > 2 || picture.empty())
    throw std::invalid_argument("the " + name + " picture is empty: there is nothing to measure");
  if (picture.type() != CV_64FC1)
    throw std::invalid_argument("the " + name + " picture is not float64 luma: convert it first");
}

void check_values(const cv::Mat& picture, const std::string& name) {
  for (int y = 0; y < picture.rows; ++y) {
    const double* row = picture.ptr<double>(y);
    for (int x = 0; x < picture.cols; ++x)
      if (!(row[x] >= 0.0 && row[x] <= 255.0))  // NaN too
        throw std::invalid_argument("the " + name + " picture holds a value outside 0..255 at column " +
                                    std::to_string(x) + ", row " + std::to_string(y));
  }
}

void check(const cv::Mat& fused, const cv::Mat& a, const cv::Mat& b) {
  check_picture(fused, "fused");
  check_picture(a, "first source");
  check_picture(b, "second source");
  if (fused.size() != a.size() || fused.size() != b.size())
    throw std::invalid_argument("sizes differ: fused " + size_text(fused) + ", first source " + size_text(a) +
                                ", second source " + size_text(b) + "; all three must be equal");
  if (fused.rows < minimum_side || fused.cols < minimum_side)
    throw std::invalid_argument(
        "pictures of " + size_text(fused) + " are too small: VIFF's windows need at least " +
        std::to_string(minimum_side) + "x" + std::to_string(minimum_side) + " pixels");
  check_values(fused, "fused");
  check_values(a, "first source");
  check_values(b, "second source");
}

}  // namespace

Figures measure(const cv::Mat& fused, const cv::Mat& a, const cv::Mat& b) {
  check(fused, a, b);
  Figures figures;
  figures.en = entropy(fused);
  figures.sd = standard_deviation(fused);
  figures.sf = spatial_frequency(fused);
  figures.ag = average_gradient(fused);
  figures.ei = edge_intensity(fused);
  figures.mi = mutual_information(fused, a) + mutual_information(fused, b);

  const double mse_a = mean_squared_error(a, fused), mse_b = mean_squared_error(b, fused);
  figures.mse = (mse_a + mse_b) / 2.0;
  figures.psnr = peak_signal_to_noise_ratio(figures.mse);
  figures.psnr_sum = peak_signal_to_noise_ratio(mse_a) + peak_signal_to_noise_ratio(mse_b);

  figures.cc = (correlation(a, fused) + correlation(b, fused)) / 2.0;
  figures.scd = correlation(a, fused - b) + correlation(b, fused - a);
  figures.ssim = structural_similarity(a, fused) + structural_similarity(b, fused);
  figures.viff = visual_information_fidelity(a, fused) + visual_information_fidelity(b, fused);

  const EdgeTransfer edges = edge_transfer(fused, a, b);
  figures.qabf = edges.qabf;
  figures.nabf = edges.nabf;
  return figures;
}

}  // namespace digfusion::metrics
