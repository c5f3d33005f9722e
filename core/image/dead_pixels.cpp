// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/image/dead_pixels.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/device/clones.h"

namespace digfusion {
namespace {

constexpr double far_spans = 2, far_steps = 8, plain_spans = 0.5;
constexpr std::uint8_t dead_score = 10, highest_score = 20;

/// The values around a pixel.
struct Neighbours {
  float value[8];
  int count = 0;
  float low = HUGE_VALF, high = -HUGE_VALF;

  Neighbours(const float* pixels, std::int64_t width, std::int64_t height, std::int64_t x, std::int64_t y) {
    for (std::int64_t j = std::max<std::int64_t>(0, y - 1); j <= std::min(height - 1, y + 1); ++j)
      for (std::int64_t i = std::max<std::int64_t>(0, x - 1); i <= std::min(width - 1, x + 1); ++i) {
        if (i == x && j == y) continue;
        const float v = value[count++] = pixels[j * width + i];
        low = std::min(low, v);
        high = std::max(high, v);
      }
  }
  float median() {
    std::nth_element(value, value + count / 2, value + count);
    return value[count / 2];
  }
};

/// What nine tenths of pixels side by side differ by at most, of a few thousand evenly spread ones; but no
/// less than a 256th of what these pixels span.
float usual_step(const float* pixels, std::int64_t width, std::int64_t height) {
  const std::int64_t stride = std::max<std::int64_t>(1, width * height / 4096) | 1;
  std::vector<float> steps, values;
  for (std::int64_t at = 0; at + 1 < width * height; at += stride) {
    if (at % width == width - 1) continue;
    steps.push_back(std::abs(pixels[at + 1] - pixels[at]));
    values.push_back(pixels[at]);
  }
  // Dead pixels among them are no part of what the scene spans.
  const auto quantile = [](std::vector<float>& of, double share) {
    const auto place = of.begin() + std::ptrdiff_t(share * double(of.size() - 1));
    std::nth_element(of.begin(), place, of.end());
    return *place;
  };
  const float span = quantile(values, 0.99) - quantile(values, 0.01);
  return std::max(quantile(steps, 0.9), span / 256);
}

/// Which of a row's pixels, without its first and last, are worth a closer look: those beyond all of their
/// neighbours as a dead pixel after ten pictures must be, and those that have a score. The others are most.
DIGFUSION_CLONES void find_suspects(const float* __restrict above, const float* __restrict here,
                                    const float* __restrict below, const std::uint8_t* __restrict score,
                                    float step, std::uint8_t* __restrict suspect, std::int64_t width) {
  const auto smaller = [](float a, float b) { return a < b ? a : b; };
  const auto larger = [](float a, float b) { return a < b ? b : a; };
  for (std::int64_t x = 1; x < width - 1; ++x) {
    const float low = smaller(smaller(smaller(above[x - 1], above[x]), smaller(above[x + 1], here[x - 1])),
                              smaller(smaller(here[x + 1], below[x - 1]), smaller(below[x], below[x + 1])));
    const float high = larger(larger(larger(above[x - 1], above[x]), larger(above[x + 1], here[x - 1])),
                              larger(larger(here[x + 1], below[x - 1]), larger(below[x], below[x + 1])));
    const float excess = larger(here[x] - high, low - here[x]);
    const float least = larger(float(plain_spans) * (high - low), step);
    suspect[x] = static_cast<std::uint8_t>((excess > least) | (score[x] > 0));
  }
}

}  // namespace

at::Tensor DeadPixelFilter::correct(const at::Tensor& picture) {
  const std::int64_t height = picture.size(2), width = picture.size(3);
  const bool is_first = !before_.defined() || before_.sizes() != picture.sizes();
  const bool is_repeated = !is_first && at::equal(before_, picture);
  const at::Tensor score_before = is_first ? at::zeros({height, width}, at::kByte) : score_;
  const at::Tensor score = is_repeated ? score_before : at::empty({height, width}, at::kByte);
  at::Tensor corrected = picture.clone();
  const float* in = picture.const_data_ptr<float>();
  const std::uint8_t* old = score_before.const_data_ptr<std::uint8_t>();
  std::uint8_t* now = is_repeated ? nullptr : score.data_ptr<std::uint8_t>();
  float* out = corrected.data_ptr<float>();
  const float step = usual_step(in, width, height);
  at::parallel_for(0, height, 16, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::uint8_t> suspect(std::size_t(width), 1);
    for (std::int64_t y = begin; y < end; ++y) {
      const float* here = in + y * width;
      if (y > 0 && y < height - 1)
        find_suspects(here - width, here, here + width, old + y * width, step, suspect.data(), width);
      else
        std::fill(suspect.begin(), suspect.end(), std::uint8_t{1});
      if (now) std::fill_n(now + y * width, width, std::uint8_t{0});
      for (std::int64_t x = 0; x < width; ++x) {
        if (!suspect[std::size_t(x)]) continue;
        const std::int64_t at = y * width + x;
        Neighbours around(in, width, height, x, y);
        const float excess = std::max(in[at] - around.high, around.low - in[at]);
        const double span = around.high - around.low;
        const bool far = excess > far_spans * span && excess > far_steps * step;
        const bool plain = excess > plain_spans * span && excess > step;
        if (now)
          now[at] = static_cast<std::uint8_t>(plain ? std::min<int>(old[at] + 1, highest_score)
                                                    : std::max(old[at] - 1, 0));
        if (far || (now ? now : old)[at] >= dead_score) out[at] = around.median();
      }
    }
  });
  before_ = picture;
  score_ = score;
  return corrected;
}

}  // namespace digfusion
