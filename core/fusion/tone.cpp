// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/tone.h"

#include <algorithm>

namespace digfusion {

at::Tensor stretch_contrast(const at::Tensor& picture, double limit) {
  constexpr double reach = 0.95;
  const at::Tensor ends =
      at::quantile(picture.flatten(), at::tensor({0.01f, 0.99f}, picture.options())).cpu();
  const double dark = ends[0].item<double>(), bright = ends[1].item<double>();
  const double half = std::max((bright - dark) / 2, 1e-6), middle = (bright + dark) / 2;
  const double gain = std::clamp(reach / half, 1.0, limit);
  // Where the stretched range juts out on one side it is moved, at most until it touches the other.
  const double room = std::max(reach - gain * half, 0.0);
  return (picture - middle) * gain + std::clamp(middle, -room, room);
}

ToneRange tone_range(const at::Tensor& picture) {
  constexpr int bins = 4096;
  constexpr double reach = 4;
  const at::Tensor counts = at::histc(picture, bins, -reach, reach).to(at::kCPU, at::kDouble);
  const double* count = counts.const_data_ptr<double>();
  const double total = static_cast<double>(picture.numel());
  const auto find = [&](double share) {
    double below = 0;
    for (int i = 0; i < bins; ++i) {
      if (count[i] > 0 && below + count[i] >= share * total)
        return reach * (2 * (i + (share * total - below) / count[i]) / bins - 1);
      below += count[i];
    }
    return reach;
  };
  return {find(0.02), find(0.98)};
}

at::Tensor fit_tone(const at::Tensor& picture, ToneRange ends) {
  constexpr double limit = 1 - 2 * 4 / 255., shoulder = 2 * 15 / 255., knee = 1 - shoulder;
  const double half = std::max((ends.bright - ends.dark) / 2, 1e-6), middle = (ends.bright + ends.dark) / 2;
  const double gain = std::min(limit / half, 1.0);
  const double room = std::max(limit - gain * half, 0.0);
  const at::Tensor moved = (picture - middle) * gain + std::clamp(middle, -room, room);
  const at::Tensor inner = moved.clamp(-knee, knee);
  return inner + ((moved - inner) * (1 / shoulder)).tanh_() * shoulder;
}

}  // namespace digfusion
