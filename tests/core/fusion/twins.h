// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The fusion once more, as plain loops over float64 straight from docs/algorithm.md: slow, obvious, without
// tensors.
#pragma once

#include <functional>
#include <vector>

#include "core/parameters/parameters.h"

namespace digfusion::twins {

struct Map {
  int height = 0, width = 0;
  std::vector<double> value;  // row by row
  Map(int h, int w, double v = 0) : height(h), width(w), value(std::size_t(h) * std::size_t(w), v) {}
  double& at(int y, int x) { return value[std::size_t(y) * std::size_t(width) + std::size_t(x)]; }
  double at(int y, int x) const { return value[std::size_t(y) * std::size_t(width) + std::size_t(x)]; }
};

using Maps = std::vector<Map>;                       // one for each source
using Noise = std::function<Map(long long number)>;  // standard normal

/// ε_θ of the tests' denoiser: near the optimum for pictures of unit variance, bent so that DIG varies.
double predicted_noise(double xt, double alpha_bar);

/// v of the tests' denoiser: where its variance lies between β̃ (-1) and β (1).
double predicted_place(double xt);

Map distance(const Map& a, const Map& b, Distance distance);
Map box_mean(const Map& map, int radius);
Maps softmax(const Maps& gains, double temperature, Extent extent);
Maps power(const Maps& gains, double sharpness);

/// E_ε[ĉ] and E_ε[l(ĉ, c)] at one noise level.
struct Level {
  Maps mean, distance;
};
Level level(const Maps& sources, double alpha_bar, Distance distance, int draws, const Noise& noise);

/// argmin_s ||u - ∇s||² + ||s - x||² with u along x and along y, by Gaussian elimination of the normal
/// equations.
Map solve_smooth(const Map& x, const Maps& u);

/// DDFM's E and M step for each x̂0 in turn.
class EmCorrection {
 public:
  EmCorrection(Maps sources, double smoothness, double splitting);
  Map correct(const Map& x0);

 private:
  Maps sources_, u_;
  double psi_, eta_;
  std::vector<double> gamma_;
};

/// Guided sampling of all `p` asks for; sampling's noise is numbered from `first_field`.
Map guided(const Maps& sources, const std::vector<double>& alpha_bars, const Parameters& p,
           const Noise& noise, long long first_field);

/// w_k ∝ (Π_i d_k,i)^(γ/M) of distances smoothed.
Maps joint(const std::vector<Level>& levels, int smoothing, double sharpness);

/// Bandwise fusion of given estimates, from the noisiest level down.
Map bands(const Maps& sources, const std::vector<Level>& levels, int smoothing, double sharpness, Base base);

}  // namespace digfusion::twins
