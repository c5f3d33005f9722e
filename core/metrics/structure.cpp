// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/metrics/structure.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace digfusion::metrics {
namespace {

// A Gaussian window's sums over its whole positions within a picture; both sides shrink by size-1.
class Window {
 public:
  Window(int size, double sigma) : size_(size), kernel_(cv::getGaussianKernel(size, sigma, CV_64F)) {}

  cv::Mat operator()(const cv::Mat& picture) const {
    cv::Mat all;
    // Isolated: a part of a larger picture is filtered as a picture of its own.
    cv::sepFilter2D(picture, all, CV_64F, kernel_, kernel_, cv::Point(-1, -1), 0.0,
                    cv::BORDER_REFLECT_101 | cv::BORDER_ISOLATED);
    const int border = size_ / 2;
    return all(cv::Rect(border, border, picture.cols - 2 * border, picture.rows - 2 * border));
  }

 private:
  int size_;
  cv::Mat kernel_;
};

// Local moments of two pictures under one window.
struct Moments {
  cv::Mat mean_x, mean_y, xx, yy, xy;  // the last three: means of products

  Moments(const Window& window, const cv::Mat& x, const cv::Mat& y)
      : mean_x(window(x)),
        mean_y(window(y)),
        xx(window(x.mul(x))),
        yy(window(y.mul(y))),
        xy(window(x.mul(y))) {}

  // Calls visit(mean_x, mean_y, var_x, var_y, cov_xy) for every window.
  template <typename Visit>
  void each(Visit visit) const {
    for (int r = 0; r < xx.rows; ++r) {
      const double *mx = mean_x.ptr<double>(r), *my = mean_y.ptr<double>(r);
      const double *sx = xx.ptr<double>(r), *sy = yy.ptr<double>(r), *sxy = xy.ptr<double>(r);
      for (int c = 0; c < xx.cols; ++c)
        visit(mx[c], my[c], sx[c] - mx[c] * mx[c], sy[c] - my[c] * my[c], sxy[c] - mx[c] * my[c]);
    }
  }
};

cv::Mat every_second_pixel(const cv::Mat& picture) {
  cv::Mat half((picture.rows + 1) / 2, (picture.cols + 1) / 2, CV_64F);
  for (int y = 0; y < half.rows; ++y) {
    const double* from = picture.ptr<double>(2 * y);
    double* to = half.ptr<double>(y);
    for (int x = 0; x < half.cols; ++x) to[x] = from[2 * x];
  }
  return half;
}

// log(1 + x): what a channel of that signal-to-noise ratio carries. Its base cancels.
double information(double ratio) { return std::log1p(ratio); }

}  // namespace

cv::Mat similarity_map(const cv::Mat& first, const cv::Mat& second) {
  constexpr double c1 = (0.01 * 255.0) * (0.01 * 255.0), c2 = (0.03 * 255.0) * (0.03 * 255.0);
  const Moments moments(Window(11, 1.5), first, second);
  cv::Mat map(moments.xx.size(), CV_64F);
  auto out = map.begin<double>();
  moments.each([&](double mx, double my, double vx, double vy, double cov) {
    *out++ = (2.0 * mx * my + c1) * (2.0 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2));
  });
  return map;
}

double structural_similarity(const cv::Mat& first, const cv::Mat& second) {
  const cv::Mat map = similarity_map(first, second);
  double sum = 0.0;  // in the order of the pixels: the same digits as ever
  for (auto value = map.begin<double>(); value != map.end<double>(); ++value) sum += *value;
  return sum / static_cast<double>(map.total());
}

double visual_information_fidelity(const cv::Mat& reference, const cv::Mat& distorted) {
  constexpr double noise = 2.0, epsilon = 1e-10;
  cv::Mat x = reference, y = distorted;
  double carried = 0.0, available = 0.0;
  for (const int size : {17, 9, 5, 3}) {
    const Window window(size, size / 5.0);
    if (size != 17) {
      x = every_second_pixel(window(x));
      y = every_second_pixel(window(y));
    }
    Moments(window, x, y).each([&](double, double, double vx, double vy, double cov) {
      vx = std::max(vx, 0.0);
      vy = std::max(vy, 0.0);
      // y = gain · x + what the gain doesn't explain.
      double gain = cov / (vx + epsilon);
      double unexplained = vy - gain * cov;
      if (vx < epsilon) {
        gain = 0.0;
        unexplained = vy;
        vx = 0.0;
      }
      if (vy < epsilon) gain = unexplained = 0.0;
      if (gain < 0.0) {
        gain = 0.0;
        unexplained = vy;
      }
      unexplained = std::max(unexplained, epsilon);
      carried += information(gain * gain * vx / (unexplained + noise));
      available += information(vx / noise);
    });
  }
  return available > 0.0 ? carried / available : 0.0;
}

}  // namespace digfusion::metrics
