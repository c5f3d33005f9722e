// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/core/metrics/metric_twins.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <utility>
#include <vector>

namespace digfusion::twins {
namespace {

constexpr double pi = std::numbers::pi;

double at(const cv::Mat& m, int y, int x) { return m.at<double>(y, x); }

double zero_outside(const cv::Mat& m, int y, int x) {
  return y < 0 || x < 0 || y >= m.rows || x >= m.cols ? 0.0 : at(m, y, x);
}

int reflect(int i, int n) {
  if (n == 1) return 0;
  while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
  return i;
}

double reflected(const cv::Mat& m, int y, int x) { return at(m, reflect(y, m.rows), reflect(x, m.cols)); }

template <typename Pixel>
std::pair<double, double> sobel(const cv::Mat& m, int y, int x, Pixel p) {
  const double gx = p(m, y - 1, x + 1) + 2 * p(m, y, x + 1) + p(m, y + 1, x + 1) - p(m, y - 1, x - 1) -
                    2 * p(m, y, x - 1) - p(m, y + 1, x - 1);
  const double gy = p(m, y + 1, x - 1) + 2 * p(m, y + 1, x) + p(m, y + 1, x + 1) - p(m, y - 1, x - 1) -
                    2 * p(m, y - 1, x) - p(m, y - 1, x + 1);
  return {gx, gy};
}

double entropy_of(const std::map<int, int>& counts, double n) {
  double sum = 0;
  for (const auto& [value, count] : counts) sum -= count / n * std::log(count / n);
  return sum;
}

// An n×n window with sums to one.
std::vector<std::vector<double>> gaussian(int n, double sigma) {
  std::vector<std::vector<double>> w(n, std::vector<double>(n));
  double sum = 0;
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j)
      sum += w[i][j] =
          std::exp(-((i - n / 2) * (i - n / 2) + (j - n / 2) * (j - n / 2)) / (2 * sigma * sigma));
  for (auto& row : w)
    for (double& v : row) v /= sum;
  return w;
}

struct Local {
  double mx = 0, my = 0, vx = 0, vy = 0, cov = 0;
};

// Two passes: means, then central moments.
Local local_moments(const cv::Mat& x, const cv::Mat& y, int top, int left,
                    const std::vector<std::vector<double>>& w) {
  Local m;
  const int n = static_cast<int>(w.size());
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) {
      m.mx += w[i][j] * at(x, top + i, left + j);
      m.my += w[i][j] * at(y, top + i, left + j);
    }
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) {
      const double dx = at(x, top + i, left + j) - m.mx, dy = at(y, top + i, left + j) - m.my;
      m.vx += w[i][j] * dx * dx;
      m.vy += w[i][j] * dy * dy;
      m.cov += w[i][j] * dx * dy;
    }
  return m;
}

struct Edge {
  double g, alpha;
};

Edge edge(const cv::Mat& m, int y, int x) {
  const auto [gx, gy] = sobel(m, y, x, zero_outside);
  return {std::hypot(gx, gy), gx == 0 ? pi / 2 : std::atan(gy / gx)};
}

double q(const Edge& source, const Edge& fused) {
  if (source.g == 0 && fused.g == 0) return 0;
  const double g = std::min(source.g, fused.g) / std::max(source.g, fused.g);
  const double a = 1 - std::abs(source.alpha - fused.alpha) / (pi / 2);
  return 0.9994 / (1 + std::exp(-15 * (g - 0.5))) * 0.9879 / (1 + std::exp(-22 * (a - 0.8)));
}

// Gaussian 1 4 6 4 1, then every second pixel.
cv::Mat down(const cv::Mat& m) {
  constexpr double k[] = {1 / 16.0, 4 / 16.0, 6 / 16.0, 4 / 16.0, 1 / 16.0};
  cv::Mat out((m.rows + 1) / 2, (m.cols + 1) / 2, CV_64F);
  for (int y = 0; y < out.rows; ++y)
    for (int x = 0; x < out.cols; ++x) {
      double sum = 0;
      for (int i = -2; i <= 2; ++i)
        for (int j = -2; j <= 2; ++j) sum += k[i + 2] * k[j + 2] * reflected(m, 2 * y + i, 2 * x + j);
      out.at<double>(y, x) = sum;
    }
  return out;
}

// One dimension of pyrUp: even samples (1 6 1)/8, odd ones (4 4)/8; the far end repeats its pixel, the near
// one is reflected; a last odd sample beyond it repeats too.
std::vector<double> up(const std::vector<double>& v, int size) {
  const int n = static_cast<int>(v.size());
  std::vector<double> out(size);
  for (int i = 0; i < size; ++i) {
    const int c = i / 2;
    const double before = v[c > 0 ? c - 1 : std::min(1, n - 1)], after = v[std::min(c + 1, n - 1)];
    out[i] = i % 2 == 0 ? (before + 6 * v[c] + after) / 8 : (v[c] + after) / 2;
  }
  return out;
}

cv::Mat up(const cv::Mat& m, cv::Size size) {
  cv::Mat wide(m.rows, size.width, CV_64F), out(size, CV_64F);
  for (int y = 0; y < m.rows; ++y) {
    std::vector<double> row(m.ptr<double>(y), m.ptr<double>(y) + m.cols);
    row = up(row, size.width);
    std::copy(row.begin(), row.end(), wide.ptr<double>(y));
  }
  for (int x = 0; x < size.width; ++x) {
    std::vector<double> column;
    for (int y = 0; y < m.rows; ++y) column.push_back(at(wide, y, x));
    column = up(column, size.height);
    for (int y = 0; y < size.height; ++y) out.at<double>(y, x) = column[y];
  }
  return out;
}

cv::Mat fuse_from(const cv::Mat& a, const cv::Mat& b, int levels) {
  cv::Mat out(a.size(), CV_64F);
  if (levels == 0) {
    for (int y = 0; y < a.rows; ++y)
      for (int x = 0; x < a.cols; ++x) out.at<double>(y, x) = (at(a, y, x) + at(b, y, x)) / 2;
    return out;
  }
  const cv::Mat small_a = down(a), small_b = down(b);
  const cv::Mat low_a = up(small_a, a.size()), low_b = up(small_b, a.size());
  const cv::Mat low = up(fuse_from(small_a, small_b, levels - 1), a.size());
  for (int y = 0; y < a.rows; ++y)
    for (int x = 0; x < a.cols; ++x) {
      const double da = at(a, y, x) - at(low_a, y, x), db = at(b, y, x) - at(low_b, y, x);
      out.at<double>(y, x) = at(low, y, x) + (std::abs(da) >= std::abs(db) ? da : db);
    }
  return out;
}

}  // namespace

double entropy(const cv::Mat& f) {
  std::map<int, int> counts;
  for (int y = 0; y < f.rows; ++y)
    for (int x = 0; x < f.cols; ++x) ++counts[static_cast<int>(std::nearbyint(at(f, y, x)))];
  return entropy_of(counts, f.rows * f.cols) / std::log(2);
}

double standard_deviation(const cv::Mat& f) {
  return std::sqrt(mean_squared_error(f, cv::Mat(f.size(), CV_64F, cv::mean(f))));
}

double spatial_frequency(const cv::Mat& f) {
  double rows = 0, columns = 0;
  int n_rows = 0, n_columns = 0;
  for (int y = 0; y < f.rows; ++y)
    for (int x = 0; x < f.cols; ++x) {
      if (x > 0) rows += std::pow(at(f, y, x) - at(f, y, x - 1), 2), ++n_rows;
      if (y > 0) columns += std::pow(at(f, y, x) - at(f, y - 1, x), 2), ++n_columns;
    }
  return std::sqrt(rows / n_rows + columns / n_columns);
}

double average_gradient(const cv::Mat& f) {
  double sum = 0;
  for (int y = 0; y < f.rows; ++y)
    for (int x = 0; x < f.cols; ++x) {
      double gx, gy;
      if (x == 0)
        gx = at(f, y, 1) - at(f, y, 0);
      else if (x == f.cols - 1)
        gx = at(f, y, x) - at(f, y, x - 1);
      else
        gx = (at(f, y, x + 1) - at(f, y, x - 1)) / 2;
      if (y == 0)
        gy = at(f, 1, x) - at(f, 0, x);
      else if (y == f.rows - 1)
        gy = at(f, y, x) - at(f, y - 1, x);
      else
        gy = (at(f, y + 1, x) - at(f, y - 1, x)) / 2;
      sum += std::sqrt((gx * gx + gy * gy) / 2);
    }
  return sum / (f.rows * f.cols);
}

double edge_intensity(const cv::Mat& f) {
  double sum = 0;
  for (int y = 0; y < f.rows; ++y)
    for (int x = 0; x < f.cols; ++x) {
      const auto [gx, gy] = sobel(f, y, x, reflected);
      sum += std::sqrt(gx * gx + gy * gy);
    }
  return sum / (f.rows * f.cols);
}

double mutual_information(const cv::Mat& x, const cv::Mat& y) {
  std::map<int, int> px, py;
  std::map<std::pair<int, int>, int> joint;
  const double n = x.rows * x.cols;
  for (int r = 0; r < x.rows; ++r)
    for (int c = 0; c < x.cols; ++c) {
      const int i = static_cast<int>(std::nearbyint(at(x, r, c))),
                j = static_cast<int>(std::nearbyint(at(y, r, c)));
      ++px[i];
      ++py[j];
      ++joint[{i, j}];
    }
  double sum = 0;
  for (const auto& [ij, count] : joint)
    sum += count / n * std::log(count / n / (px[ij.first] / n * (py[ij.second] / n)));
  return sum;
}

double mean_squared_error(const cv::Mat& x, const cv::Mat& y) {
  double sum = 0;
  for (int r = 0; r < x.rows; ++r)
    for (int c = 0; c < x.cols; ++c) sum += (at(x, r, c) - at(y, r, c)) * (at(x, r, c) - at(y, r, c));
  return sum / (x.rows * x.cols);
}

double correlation(const cv::Mat& x, const cv::Mat& y) {
  double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
  for (int r = 0; r < x.rows; ++r)
    for (int c = 0; c < x.cols; ++c)
      mx += at(x, r, c) / (x.rows * x.cols), my += at(y, r, c) / (x.rows * x.cols);
  for (int r = 0; r < x.rows; ++r)
    for (int c = 0; c < x.cols; ++c) {
      const double dx = at(x, r, c) - mx, dy = at(y, r, c) - my;
      xx += dx * dx, yy += dy * dy, xy += dx * dy;
    }
  return xy / std::sqrt(xx) / std::sqrt(yy);
}

double structural_similarity(const cv::Mat& x, const cv::Mat& y) {
  const auto w = gaussian(11, 1.5);
  const double c1 = std::pow(.01 * 255, 2), c2 = std::pow(.03 * 255, 2);
  double sum = 0;
  int n = 0;
  for (int r = 0; r + 11 <= x.rows; ++r)
    for (int c = 0; c + 11 <= x.cols; ++c, ++n) {
      const Local m = local_moments(x, y, r, c, w);
      sum +=
          (2 * m.mx * m.my + c1) / (m.mx * m.mx + m.my * m.my + c1) * ((2 * m.cov + c2) / (m.vx + m.vy + c2));
    }
  return sum / n;
}

double visual_information_fidelity(const cv::Mat& reference, const cv::Mat& distorted) {
  const double noise = 2, eps = 1e-10;
  cv::Mat x = reference.clone(), y = distorted.clone();
  double num = 0, den = 0;
  for (int scale = 1; scale <= 4; ++scale) {
    const int n = (1 << (5 - scale)) + 1;
    const auto w = gaussian(n, n / 5.0);
    if (scale > 1) {
      const int rows = (x.rows - n + 2) / 2, cols = (x.cols - n + 2) / 2;
      cv::Mat sx(rows, cols, CV_64F), sy(rows, cols, CV_64F);
      for (int r = 0; r < rows; ++r)
        for (int c = 0; c < cols; ++c) {
          const Local m = local_moments(x, y, 2 * r, 2 * c, w);
          sx.at<double>(r, c) = m.mx;
          sy.at<double>(r, c) = m.my;
        }
      x = sx;
      y = sy;
    }
    for (int r = 0; r + n <= x.rows; ++r)
      for (int c = 0; c + n <= x.cols; ++c) {
        const Local m = local_moments(x, y, r, c, w);
        double g = m.cov / (m.vx + eps), rest = m.vy - g * m.cov, vx = m.vx;
        if (m.vx < eps) g = 0, rest = m.vy, vx = 0;
        if (m.vy < eps) g = 0, rest = 0;
        if (g < 0) rest = m.vy, g = 0;
        rest = std::max(rest, eps);
        num += std::log10(1 + g * g * vx / (rest + noise));
        den += std::log10(1 + vx / noise);
      }
  }
  return num / den;
}

double qabf(const cv::Mat& f, const cv::Mat& a, const cv::Mat& b) {
  double num = 0, den = 0;
  for (int y = 0; y < f.rows; ++y)
    for (int x = 0; x < f.cols; ++x) {
      const Edge ef = edge(f, y, x), ea = edge(a, y, x), eb = edge(b, y, x);
      num += q(ea, ef) * ea.g + q(eb, ef) * eb.g;
      den += ea.g + eb.g;
    }
  return num / den;
}

double nabf(const cv::Mat& f, const cv::Mat& a, const cv::Mat& b) {
  double num = 0, den = 0;
  for (int y = 0; y < f.rows; ++y)
    for (int x = 0; x < f.cols; ++x) {
      const Edge ef = edge(f, y, x), ea = edge(a, y, x), eb = edge(b, y, x);
      if (ef.g > ea.g && ef.g > eb.g) num += (1 - q(ea, ef)) * ea.g + (1 - q(eb, ef)) * eb.g;
      den += ea.g + eb.g;
    }
  return num / den;
}

cv::Mat laplacian(const cv::Mat& a, const cv::Mat& b) {
  cv::Mat out = fuse_from(a, b, 5);
  for (int y = 0; y < out.rows; ++y)
    for (int x = 0; x < out.cols; ++x)
      out.at<double>(y, x) = std::min(std::max(std::nearbyint(at(out, y, x)), 0.0), 255.0);
  return out;
}

}  // namespace digfusion::twins
