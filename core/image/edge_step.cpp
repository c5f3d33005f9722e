// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/edge_step.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace digfusion {
namespace {

/// Sums over a row of a weighted product times the powers of u.
struct RowSums {
  double xx[5] = {}, xy[5] = {}, yy[5] = {}, ex[3] = {}, ey[3] = {};
};

/// factor · u^a · v^b; zero where factor is.
struct Monomial {
  int factor, u, v;
};
constexpr Monomial along_x[] = {{1, 1, 0}, {1, 0, 1}, {1, 0, 0},  {0, 0, 0},
                                {0, 0, 0}, {0, 0, 0}, {-1, 2, 0}, {-1, 1, 1}};
constexpr Monomial along_y[] = {{0, 0, 0}, {0, 0, 0}, {0, 0, 0},  {1, 1, 0},
                                {1, 0, 1}, {1, 0, 0}, {-1, 1, 1}, {-1, 0, 2}};

/// What the row at height v adds.
void add_row(const RowSums& s, double v, EdgeStep::Normal& normal, EdgeStep::Right& right) {
  const double power[] = {1, v, v * v, v * v * v, v * v * v * v};
  const auto term = [&](const double* sums, const Monomial& a, const Monomial& b) {
    return a.factor * b.factor * power[a.v + b.v] * sums[a.u + b.u];
  };
  for (int i = 0; i < EdgeStep::parameters; ++i) {
    const Monomial &xi = along_x[i], &yi = along_y[i];
    for (int j = i; j < EdgeStep::parameters; ++j) {
      const Monomial &xj = along_x[j], &yj = along_y[j];
      normal(i, j) += term(s.xx, xi, xj) + term(s.xy, xi, yj) + term(s.xy, yi, xj) + term(s.yy, yi, yj);
    }
    right[i] += xi.factor * power[xi.v] * s.ex[xi.u] + yi.factor * power[yi.v] * s.ey[yi.u];
  }
}

}  // namespace

cv::Matx33d to_unit(cv::Size size) {
  const double half = size.width / 2.;
  return {1 / half, 0, -(size.width - 1) / 2. / half, 0, 1 / half, -(size.height - 1) / 2. / half, 0, 0, 1};
}

void EdgeStep::add(const EdgeChannels& fixed, const EdgeChannels& moved, const cv::Mat& mask) {
  cv::Mat xx = cv::Mat::zeros(size_, CV_32F), xy = xx.clone(), yy = xx.clone(), ex = xx.clone(),
          ey = xx.clone();
  const cv::Mat differences = difference(fixed, moved);
  for (std::size_t k = 0; k < fixed.size(); ++k) {
    cv::Mat gx, gy;
    const cv::Mat middle = (fixed[k] + moved[k]) * 0.5, e = fixed[k] - moved[k];
    cv::Sobel(middle, gx, CV_32F, 1, 0, 3, 1 / 8.);
    cv::Sobel(middle, gy, CV_32F, 0, 1, 3, 1 / 8.);
    cv::accumulateProduct(gx, gx, xx);
    cv::accumulateProduct(gx, gy, xy);
    cv::accumulateProduct(gy, gy, yy);
    cv::accumulateProduct(gx, e, ex);
    cv::accumulateProduct(gy, e, ey);
  }
  const double softness = cv::mean(differences, mask)[0] + 1e-9;
  const double half = size_.width / 2., cx = (size_.width - 1) / 2., cy = (size_.height - 1) / 2.;
  for (int y = 0; y < size_.height; ++y) {
    const auto* inside = mask.ptr<uchar>(y);
    const float *d = differences.ptr<float>(y), *pxx = xx.ptr<float>(y), *pxy = xy.ptr<float>(y),
                *pyy = yy.ptr<float>(y), *pex = ex.ptr<float>(y), *pey = ey.ptr<float>(y);
    RowSums sums;
    for (int x = 0; x < size_.width; ++x) {
      if (!inside[x]) continue;
      const double root = softness / (softness + d[x]), w = root * root, u = (x - cx) / half;
      errors_ += w * d[x];
      double a = w * pxx[x], b = w * pxy[x], c = w * pyy[x], e = w * pex[x], f = w * pey[x];
      for (int power = 0; power < 5; ++power, a *= u, b *= u, c *= u)
        sums.xx[power] += a, sums.xy[power] += b, sums.yy[power] += c;
      for (int power = 0; power < 3; ++power, e *= u, f *= u) sums.ex[power] += e, sums.ey[power] += f;
    }
    add_row(sums, (y - cy) / half, normal_, right_);
  }
  for (int i = 0; i < parameters; ++i)
    for (int j = 0; j < i; ++j) normal_(i, j) = normal_(j, i);
}

void EdgeStep::expect_similarity(const cv::Matx33d& total, double weight, double rigid) {
  const double scale = std::sqrt(std::abs(cv::determinant(total.get_minor<2, 2>(0, 0)))), z = total(2, 2),
               half = size_.width / 2., unit = errors_ / (half * half);
  const struct {
    Right row;
    double deviation, weight;
  } expected[] = {
      {Right(.5, 0, 0, 0, -.5), (total(0, 0) - total(1, 1)) / 2 / scale, weight},
      {Right(0, .5, 0, .5), (total(0, 1) + total(1, 0)) / 2 / scale, weight},
      {Right(0, 0, 0, 0, 0, 0, 1), total(2, 0) / z, weight},
      {Right(0, 0, 0, 0, 0, 0, 0, 1), total(2, 1) / z, weight},
      {Right(.5, 0, 0, 0, .5), scale - 1, rigid},
  };
  for (const auto& e : expected) {
    normal_ += Normal(e.row * e.row.t()) * (e.weight * unit);
    right_ -= e.row * (e.weight * unit * e.deviation * half);
  }
}

cv::Matx33d EdgeStep::as_map(const Right& parameters, cv::Size size) {
  const Right p = parameters * (2. / size.width);
  const cv::Matx33d step(1 + p[0], p[1], p[2], p[3], 1 + p[4], p[5], p[6], p[7], 1), unit = to_unit(size);
  return unit.inv() * step * unit;
}

EdgeStep::Right solve(const EdgeStep::Normal& normal, const EdgeStep::Right& right, int count) {
  static constexpr int offset[] = {2, 5};
  const auto index = [&](int i) { return count == 2 ? offset[i] : i; };
  cv::Mat a(count, count, CV_64F), b(count, 1, CV_64F), p;
  for (int i = 0; i < count; ++i) {
    for (int j = 0; j < count; ++j) a.at<double>(i, j) = normal(index(i), index(j));
    b.at<double>(i) = right[index(i)];
  }
  a += cv::Mat::eye(count, count, CV_64F) * (1e-6 * cv::trace(a)[0] + 1e-12);
  EdgeStep::Right result = EdgeStep::Right::all(0);
  if (cv::solve(a, b, p, cv::DECOMP_CHOLESKY) && cv::checkRange(p))
    for (int i = 0; i < count; ++i) result[index(i)] = p.at<double>(i);
  return result;
}

}  // namespace digfusion
