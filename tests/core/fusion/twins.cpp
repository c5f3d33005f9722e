// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/core/fusion/twins.h"

#include <algorithm>
#include <cmath>

namespace digfusion::twins {
namespace {

double noisy(double c, double epsilon, double alpha_bar) {
  return std::sqrt(alpha_bar) * c + std::sqrt(1 - alpha_bar) * epsilon;
}

double estimate(double xt, double alpha_bar) {
  const double x0 = (xt - std::sqrt(1 - alpha_bar) * predicted_noise(xt, alpha_bar)) / std::sqrt(alpha_bar);
  return std::min(1.0, std::max(-1.0, x0));
}

int mirrored(int i, int size) { return i < 0 ? -i : i >= size ? 2 * size - 2 - i : i; }

double one_minus_ssim(const Map& a, const Map& b, int y, int x) {
  double weight[11][11], sum = 0;
  for (int j = 0; j < 11; ++j)
    for (int i = 0; i < 11; ++i)
      sum += weight[j][i] = std::exp(-((j - 5) * (j - 5) + (i - 5) * (i - 5)) / (2 * 1.5 * 1.5));
  const auto over_window = [&](const auto& function) {
    double total = 0;
    for (int j = 0; j < 11; ++j)
      for (int i = 0; i < 11; ++i) {
        const int yy = mirrored(y + j - 5, a.height), xx = mirrored(x + i - 5, a.width);
        total += weight[j][i] / sum * function(a.at(yy, xx), b.at(yy, xx));
      }
    return total;
  };
  const double ma = over_window([](double u, double) { return u; }),
               mb = over_window([](double, double v) { return v; });
  const double va = over_window([&](double u, double) { return (u - ma) * (u - ma); });
  const double vb = over_window([&](double, double v) { return (v - mb) * (v - mb); });
  const double cov = over_window([&](double u, double v) { return (u - ma) * (v - mb); });
  const double c1 = 0.01 * 2 * 0.01 * 2, c2 = 0.03 * 2 * 0.03 * 2;  // the range -1..1 is 2 wide
  return 1 - (2 * ma * mb + c1) / (ma * ma + mb * mb + c1) * (2 * cov + c2) / (va + vb + c2);
}

}  // namespace

double predicted_noise(double xt, double alpha_bar) {
  return std::sqrt(1 - alpha_bar) * (xt + 0.3 * std::sin(2 * xt)) + 0.05;
}

double predicted_place(double xt) { return std::sin(xt); }

Map distance(const Map& a, const Map& b, Distance distance) {
  Map result(a.height, a.width);
  for (int y = 0; y < a.height; ++y)
    for (int x = 0; x < a.width; ++x) {
      const double d = a.at(y, x) - b.at(y, x);
      switch (distance) {
        case Distance::l2:
          result.at(y, x) = d * d;
          break;
        case Distance::l1:
          result.at(y, x) = std::abs(d);
          break;
        case Distance::ssim:
          result.at(y, x) = one_minus_ssim(a, b, y, x);
          break;
        case Distance::none:
          break;
      }
    }
  return result;
}

Map box_mean(const Map& map, int radius) {
  Map result(map.height, map.width);
  for (int y = 0; y < map.height; ++y)
    for (int x = 0; x < map.width; ++x) {
      double sum = 0;
      int count = 0;
      for (int j = std::max(0, y - radius); j <= std::min(map.height - 1, y + radius); ++j)
        for (int i = std::max(0, x - radius); i <= std::min(map.width - 1, x + radius); ++i)
          sum += map.at(j, i), ++count;
      result.at(y, x) = sum / count;
    }
  return result;
}

Maps softmax(const Maps& gains, double temperature, Extent extent) {
  Maps weights = gains;
  for (std::size_t i = 0; i < gains[0].value.size(); ++i) {
    std::vector<double> gain;
    for (const Map& map : gains) {
      double mean = 0;
      for (const double v : map.value) mean += v / double(map.value.size());
      gain.push_back(extent == Extent::global ? mean : map.value[i]);
    }
    const double largest = *std::max_element(gain.begin(), gain.end());
    double sum = 0;
    for (double& g : gain) sum += g = std::exp((g - largest) / temperature);
    for (std::size_t k = 0; k < gains.size(); ++k) weights[k].value[i] = gain[k] / sum;
  }
  return weights;
}

Maps power(const Maps& gains, double sharpness) {
  Maps weights = gains;
  for (std::size_t i = 0; i < gains[0].value.size(); ++i) {
    double sum = 0;
    for (const Map& map : gains) sum += std::pow(std::max(map.value[i], 0.0), sharpness);
    for (std::size_t k = 0; k < gains.size(); ++k)
      weights[k].value[i] =
          sum > 0 ? std::pow(std::max(gains[k].value[i], 0.0), sharpness) / sum : 1 / double(gains.size());
  }
  return weights;
}

Level level(const Maps& sources, double alpha_bar, Distance l, int draws, const Noise& noise) {
  Level result;
  for (const Map& c : sources) {
    Map mean(c.height, c.width), apart(c.height, c.width);
    for (int draw = 0; draw < draws; ++draw) {
      const Map field = noise(draw / 2);
      Map denoised(c.height, c.width);
      for (std::size_t i = 0; i < c.value.size(); ++i) {
        const double epsilon = draw % 2 ? -field.value[i] : field.value[i];
        denoised.value[i] = estimate(noisy(c.value[i], epsilon, alpha_bar), alpha_bar);
        mean.value[i] += denoised.value[i] / draws;
      }
      const Map d = distance(denoised, c, l);
      for (std::size_t i = 0; i < c.value.size(); ++i) apart.value[i] += d.value[i] / draws;
    }
    result.mean.push_back(mean);
    result.distance.push_back(apart);
  }
  return result;
}

Map solve_smooth(const Map& x, const Maps& u) {
  const int h = x.height, w = x.width, n = h * w;
  const auto index = [&](int row, int column) { return std::size_t((row + h) % h * w + (column + w) % w); };
  // Rows of the system: one for each pixel's equation, its right side last.
  std::vector<std::vector<double>> a(std::size_t(n), std::vector<double>(std::size_t(n) + 1));
  for (int row = 0; row < h; ++row)
    for (int column = 0; column < w; ++column) {
      const std::size_t here = index(row, column);
      a[here][here] += 1;
      a[here].back() += x.value[here];
      for (const int axis : {0, 1}) {  // (∇s)_here = s_next - s_here
        const std::size_t next = axis == 0 ? index(row, column + 1) : index(row + 1, column);
        const double target = u[std::size_t(axis)].value[here];
        a[here][here] += 1, a[next][next] += 1, a[here][next] -= 1, a[next][here] -= 1;
        a[next].back() += target, a[here].back() -= target;
      }
    }
  const std::size_t size = a.size();
  for (std::size_t pivot = 0; pivot < size; ++pivot)  // positive definite: no rows change places
    for (std::size_t row = 0; row < size; ++row) {
      if (row == pivot) continue;
      const double factor = a[row][pivot] / a[pivot][pivot];
      for (std::size_t j = pivot; j <= size; ++j) a[row][j] -= factor * a[pivot][j];
    }
  Map s(h, w);
  for (std::size_t i = 0; i < size; ++i) s.value[i] = a[i].back() / a[i][i];
  return s;
}

EmCorrection::EmCorrection(Maps sources, double smoothness, double splitting)
    : sources_(std::move(sources)),
      u_(2, Map(sources_[0].height, sources_[0].width)),
      psi_(smoothness),
      eta_(splitting),
      gamma_(sources_.size(), 1.0) {}

Map EmCorrection::correct(const Map& x0) {
  const Map& first = sources_[0];
  const std::size_t pixels = x0.value.size();
  Map x = x0;
  for (std::size_t j = 0; j < pixels; ++j) x.value[j] -= first.value[j];
  const Map s = solve_smooth(x, u_);
  for (int row = 0; row < s.height; ++row)
    for (int column = 0; column < s.width; ++column) {
      const double shrunk = eta_ / (2 * psi_ + eta_), here = s.at(row, column);
      u_[0].at(row, column) = shrunk * (s.at(row, (column + 1) % s.width) - here);
      u_[1].at(row, column) = shrunk * (s.at((row + 1) % s.height, column) - here);
    }
  Map result = x0;
  std::vector<double> next(gamma_.size());
  for (std::size_t j = 0; j < pixels; ++j) {
    double weight = eta_, total = eta_ * s.value[j], sum = 0, of_first = 0;
    for (std::size_t k = 0; k < sources_.size(); ++k) {
      const double r = x0.value[j] - sources_[k].value[j];
      double m = std::sqrt(2 / gamma_[k] / (r * r + 1e-6));
      if (k == 0)
        of_first = m;
      else
        m = std::min(m, 2 * of_first);
      sum += sources_[k].value[j];
      next[k] += (1 / m + gamma_[k] / 2) / double(pixels);
      weight += 2 * m;
      total += 2 * m * (sources_[k].value[j] - first.value[j]);
    }
    result.value[j] = (sum - (total / weight + first.value[j])) / (double(sources_.size()) - 1);
  }
  gamma_ = next;
  return result;
}

Map guided(const Maps& sources, const std::vector<double>& alpha_bars, const Parameters& p,
           const Noise& noise, long long first_field) {
  std::vector<double> bars;  // ᾱ of each step
  int previous = int(alpha_bars.size());
  for (int i = 0; i < p.steps; ++i) {
    const double ideal = (double(alpha_bars.size()) - 1) *
                         std::pow(1 - double(i) / p.steps, p.spacing == Spacing::quadratic ? 2 : 1);
    previous = std::min(previous - 1, int(std::lround(ideal)));
    bars.push_back(alpha_bars[std::size_t(previous)]);
  }
  Map x = noise(first_field);
  Maps weights;
  EmCorrection em(sources, p.smoothness, p.splitting);
  for (int i = 0; i < p.steps; ++i) {
    if (i % p.interval == 0) {
      Maps gains = level(sources, bars[std::size_t(i)], p.distance, p.draws, noise).distance;
      if (i + p.interval < p.steps) {
        const Maps later =
            level(sources, bars[std::size_t(i + p.interval)], p.distance, p.draws, noise).distance;
        for (std::size_t k = 0; k < gains.size(); ++k)
          for (std::size_t j = 0; j < gains[k].value.size(); ++j) gains[k].value[j] -= later[k].value[j];
      }
      for (Map& gain : gains) gain = box_mean(gain, p.smoothing);
      weights = softmax(gains, p.temperature, p.extent);
    }
    const double a = bars[std::size_t(i)], next = i + 1 < p.steps ? bars[std::size_t(i + 1)] : 1.0;
    const double scale = p.guidance == Guidance::constant
                             ? p.guidance_scale
                             : (1 - a) / ((1 - a) + p.sensor_noise * p.sensor_noise);
    const Map field = noise(first_field + i + 1);
    Map estimates = x;
    for (double& value : estimates.value) value = estimate(value, a);
    if (p.guidance == Guidance::em) estimates = em.correct(estimates);
    for (std::size_t j = 0; j < x.value.size(); ++j) {
      const double xt = x.value[j];
      double x0 = estimates.value[j], pull = 0;
      for (std::size_t k = 0; k < sources.size(); ++k)
        pull += weights[k].value[j] * (sources[k].value[j] - x0);
      if (p.guidance != Guidance::em) x0 += scale * pull;
      if (next == 1.0) {
        x.value[j] = x0;
        continue;
      }
      const double beta = 1 - a / next;  // of this step
      const double variance = (1 - next) / (1 - a) * beta;
      if (p.sampler == Sampler::ddpm) {
        const double mean = (std::sqrt(next) * beta * x0 + std::sqrt(1 - beta) * (1 - next) * xt) / (1 - a);
        const double place = p.variance == Variance::fixed_small   ? -1
                             : p.variance == Variance::fixed_large ? 1
                                                                   : predicted_place(xt);
        const double between = std::pow(beta, (1 + place) / 2) * std::pow(variance, (1 - place) / 2);
        x.value[j] = mean + std::sqrt(between) * field.value[j];
      } else {
        const double epsilon = (xt - std::sqrt(a) * x0) / std::sqrt(1 - a);
        x.value[j] = std::sqrt(next) * x0 + std::sqrt(1 - next - p.eta * p.eta * variance) * epsilon +
                     p.eta * std::sqrt(variance) * field.value[j];
      }
    }
  }
  return x;
}

Maps joint(const std::vector<Level>& levels, int smoothing, double sharpness) {
  Maps weights(levels[0].distance.size(), Map(levels[0].distance[0].height, levels[0].distance[0].width, 1));
  for (const Level& level : levels)
    for (std::size_t k = 0; k < weights.size(); ++k) {
      const Map smooth = box_mean(level.distance[k], smoothing);
      for (std::size_t j = 0; j < smooth.value.size(); ++j)
        weights[k].value[j] *= std::pow(smooth.value[j] + 1e-7, sharpness / double(levels.size()));
    }
  for (std::size_t j = 0; j < weights[0].value.size(); ++j) {
    double sum = 0;
    for (const Map& map : weights) sum += map.value[j];
    for (Map& map : weights) map.value[j] /= sum;
  }
  return weights;
}

Map bands(const Maps& sources, const std::vector<Level>& levels, int smoothing, double sharpness, Base base) {
  Map fused(sources[0].height, sources[0].width);
  for (std::size_t j = 0; j < fused.value.size(); ++j) {
    double mean = 0, largest = -1e300;
    for (const Map& m : levels[0].mean) {
      mean += m.value[j] / double(sources.size());
      largest = std::max(largest, m.value[j]);
    }
    fused.value[j] = base == Base::average ? mean : base == Base::maximum ? largest : (mean + largest) / 2;
  }
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const bool last = i + 1 == levels.size();
    Maps gains = levels[i].distance;
    for (std::size_t k = 0; k < sources.size(); ++k) {
      if (!last)
        for (std::size_t j = 0; j < fused.value.size(); ++j)
          gains[k].value[j] -= levels[i + 1].distance[k].value[j];
      gains[k] = box_mean(gains[k], smoothing);
    }
    const Maps weights = power(gains, sharpness);
    for (std::size_t k = 0; k < sources.size(); ++k) {
      const Map& below = last ? sources[k] : levels[i + 1].mean[k];
      for (std::size_t j = 0; j < fused.value.size(); ++j)
        fused.value[j] += weights[k].value[j] * (below.value[j] - levels[i].mean[k].value[j]);
    }
  }
  return fused;
}

}  // namespace digfusion::twins
