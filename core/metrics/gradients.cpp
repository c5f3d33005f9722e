// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/metrics/gradients.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace digfusion::metrics {
namespace {

constexpr double half_pi = CV_PI / 2.0;

void sobel(const cv::Mat& picture, int border, cv::Mat& x, cv::Mat& y) {
  cv::Sobel(picture, x, CV_64F, 1, 0, 3, 1.0, 0.0, border | cv::BORDER_ISOLATED);
  cv::Sobel(picture, y, CV_64F, 0, 1, 3, 1.0, 0.0, border | cv::BORDER_ISOLATED);
}

// Strength g and orientation α of every pixel's edge, in radians within ±π/2.
struct Edges {
  cv::Mat strength, orientation;

  explicit Edges(const cv::Mat& picture)
      : strength(picture.size(), CV_64F), orientation(picture.size(), CV_64F) {
    cv::Mat gx, gy;
    sobel(picture, cv::BORDER_CONSTANT, gx, gy);
    for (int r = 0; r < picture.rows; ++r) {
      const double *x = gx.ptr<double>(r), *y = gy.ptr<double>(r);
      double *g = strength.ptr<double>(r), *alpha = orientation.ptr<double>(r);
      for (int c = 0; c < picture.cols; ++c) {
        g[c] = std::sqrt(x[c] * x[c] + y[c] * y[c]);
        alpha[c] = x[c] == 0.0 ? half_pi : std::atan(y[c] / x[c]);
      }
    }
  }
};

// Q of one pixel: how well the fused edge keeps the source's strength and orientation.
double preservation(double source_strength, double source_angle, double fused_strength, double fused_angle) {
  const auto [smaller, larger] = std::minmax(source_strength, fused_strength);
  const double strength = larger > 0.0 ? smaller / larger : 0.0;
  const double angle = 1.0 - std::abs(source_angle - fused_angle) / half_pi;
  return 0.9994 / (1.0 + std::exp(-15.0 * (strength - 0.5))) * 0.9879 /
         (1.0 + std::exp(-22.0 * (angle - 0.8)));
}

}  // namespace

double spatial_frequency(const cv::Mat& picture) {
  const int rows = picture.rows, cols = picture.cols;
  double along_rows = cv::norm(picture.colRange(1, cols), picture.colRange(0, cols - 1), cv::NORM_L2SQR);
  double along_columns = cv::norm(picture.rowRange(1, rows), picture.rowRange(0, rows - 1), cv::NORM_L2SQR);
  return std::sqrt(along_rows / (static_cast<double>(rows) * (cols - 1)) +
                   along_columns / (static_cast<double>(rows - 1) * cols));
}

double average_gradient(const cv::Mat& picture) {
  const int rows = picture.rows, cols = picture.cols;
  double sum = 0.0;
  for (int y = 0; y < rows; ++y) {
    const int above = std::max(y - 1, 0), below = std::min(y + 1, rows - 1);
    const double* row = picture.ptr<double>(y);
    const double* up = picture.ptr<double>(above);
    const double* down = picture.ptr<double>(below);
    const double y_scale = 1.0 / (below - above);
    for (int x = 0; x < cols; ++x) {
      const int left = std::max(x - 1, 0), right = std::min(x + 1, cols - 1);
      const double gx = (row[right] - row[left]) / (right - left);
      const double gy = (down[x] - up[x]) * y_scale;
      sum += std::sqrt((gx * gx + gy * gy) / 2.0);
    }
  }
  return sum / static_cast<double>(picture.total());
}

double edge_intensity(const cv::Mat& picture) {
  cv::Mat x, y, strength;
  sobel(picture, cv::BORDER_REFLECT_101, x, y);
  cv::magnitude(x, y, strength);
  return cv::mean(strength)[0];
}

EdgeTransfer edge_transfer(const cv::Mat& fused, const cv::Mat& a, const cv::Mat& b) {
  const Edges edges_f(fused), edges_a(a), edges_b(b);
  double kept = 0.0, artefacts = 0.0, total = 0.0;
  for (int r = 0; r < fused.rows; ++r) {
    const double *gf = edges_f.strength.ptr<double>(r), *ga = edges_a.strength.ptr<double>(r),
                 *gb = edges_b.strength.ptr<double>(r);
    const double *of = edges_f.orientation.ptr<double>(r), *oa = edges_a.orientation.ptr<double>(r),
                 *ob = edges_b.orientation.ptr<double>(r);
    for (int c = 0; c < fused.cols; ++c) {
      const double from_a = preservation(ga[c], oa[c], gf[c], of[c]) * ga[c];
      const double from_b = preservation(gb[c], ob[c], gf[c], of[c]) * gb[c];
      kept += from_a + from_b;
      total += ga[c] + gb[c];
      if (gf[c] > ga[c] && gf[c] > gb[c]) artefacts += ga[c] - from_a + gb[c] - from_b;
    }
  }
  if (total <= 0.0) return {};
  return {kept / total, artefacts / total};
}

}  // namespace digfusion::metrics
