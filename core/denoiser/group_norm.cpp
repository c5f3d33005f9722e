// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/group_norm.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

// One body for each kind of processor, chosen when the program starts.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define DIGFUSION_CLONES __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#else
#define DIGFUSION_CLONES
#endif

#define DIGFUSION_INLINE inline __attribute__((always_inline))

namespace digfusion {
namespace {

constexpr std::int64_t groups = 32;
constexpr double epsilon = 1e-5;

// --- bfloat16 by its bits, which compilers turn into vector code

DIGFUSION_INLINE float widened(float x) { return x; }
DIGFUSION_INLINE float widened(std::uint16_t x) { return std::bit_cast<float>(std::uint32_t{x} << 16); }
DIGFUSION_INLINE void round_to(float x, float& y) { y = x; }
DIGFUSION_INLINE void round_to(float x,
                               std::uint16_t& y) {  // to nearest, ties to even; the numbers are finite
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  y = static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// x/(1+e^-x) to a few units in the last place. e^y = 2^n e^r with |r| ≤ ln 2 / 2.
DIGFUSION_INLINE float silu(float x) {
  // Clamped to ±87 by the bits: compilers make no vector code of comparisons that might trap.
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(-x);
  const std::uint32_t size = std::min<std::uint32_t>(bits & 0x7fffffff, 0x42ae0000);
  const float y = std::bit_cast<float>(size | (bits & 0x80000000));
  const float shifted = y * 1.44269504f + 12582912.f;  // 1.5 · 2^23: the sum's last bits are n
  const float n = shifted - 12582912.f;
  const float r = (y - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts
  float p = 1.9875691500e-4f;                                   // Cephes' expf
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.f;
  const float power = std::bit_cast<float>((std::bit_cast<std::int32_t>(shifted) << 23) + 0x3f800000);
  return x / (1.f + p * power);
}

/// Adds to sums[c] and squares[c] those of `pixels` rows of `channels` numbers.
template <class T>
DIGFUSION_INLINE void moments(const T* x, std::int64_t pixels, std::int64_t channels, float* sum,
                              float* square) {
  for (std::int64_t p = 0; p < pixels; ++p, x += channels)
    for (std::int64_t c = 0; c < channels; ++c) {
      const float value = widened(x[c]);
      sum[c] += value;
      square[c] += value * value;
    }
}

template <class T>
DIGFUSION_INLINE void transform(const T* x, T* y, std::int64_t pixels, std::int64_t channels,
                                const float* scale, const float* shift, Activation activation) {
  for (std::int64_t p = 0; p < pixels; ++p, x += channels, y += channels) {
    // y may be x: no number depends on another's place.
    if (activation == Activation::silu)
#pragma GCC ivdep
      for (std::int64_t c = 0; c < channels; ++c) round_to(silu(widened(x[c]) * scale[c] + shift[c]), y[c]);
    else
#pragma GCC ivdep
      for (std::int64_t c = 0; c < channels; ++c) round_to(widened(x[c]) * scale[c] + shift[c], y[c]);
  }
}

DIGFUSION_CLONES void moments_of(const float* x, std::int64_t pixels, std::int64_t channels, float* sum,
                                 float* square) {
  moments(x, pixels, channels, sum, square);
}
DIGFUSION_CLONES void moments_of(const std::uint16_t* x, std::int64_t pixels, std::int64_t channels,
                                 float* sum, float* square) {
  moments(x, pixels, channels, sum, square);
}
DIGFUSION_CLONES void transform_to(const float* x, float* y, std::int64_t pixels, std::int64_t channels,
                                   const float* scale, const float* shift, Activation activation) {
  transform(x, y, pixels, channels, scale, shift, activation);
}
DIGFUSION_CLONES void transform_to(const std::uint16_t* x, std::uint16_t* y, std::int64_t pixels,
                                   std::int64_t channels, const float* scale, const float* shift,
                                   Activation activation) {
  transform(x, y, pixels, channels, scale, shift, activation);
}

/// Sums and sums of squares of each channel in float64; the same on any number of threads.
template <class T>
std::vector<double> channel_moments(const T* x, std::int64_t pixels, std::int64_t channels) {
  constexpr std::int64_t rows = 32,
                         blocks = 32;  // `rows` pixels are summed in float32, `blocks` of them by one thread
  const auto n = static_cast<std::size_t>(channels);
  const std::int64_t parts = (pixels + rows * blocks - 1) / (rows * blocks);
  std::vector<double> partial(static_cast<std::size_t>(parts) * 2 * n);
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> sums(2 * n);
    for (std::int64_t first = begin * blocks; first < end * blocks && first * rows < pixels; ++first) {
      std::fill(sums.begin(), sums.end(), 0.f);
      moments_of(x + first * rows * channels, std::min(rows, pixels - first * rows), channels, sums.data(),
                 sums.data() + n);
      double* part = partial.data() + static_cast<std::size_t>(first / blocks) * 2 * n;
      for (std::size_t c = 0; c < 2 * n; ++c) part[c] += double(sums[c]);
    }
  });
  std::vector<double> total(2 * n);
  for (std::size_t i = 0; i < partial.size(); ++i) total[i % (2 * n)] += partial[i];
  return total;
}

/// One picture [H·W,C].
template <class T>
void normalise(const T* x, T* y, std::int64_t pixels, std::int64_t channels, const float* weight,
               const float* bias, const float* film, Activation activation) {
  const std::vector<double> moment = channel_moments(x, pixels, channels);
  const auto n = static_cast<std::size_t>(channels), width = n / groups;
  std::vector<float> scale(n), shift(n);
  for (std::size_t group = 0; group < n; group += width) {
    double sum = 0, square = 0;
    for (std::size_t c = group; c < group + width; ++c) sum += moment[c], square += moment[n + c];
    const double count = double(width) * double(pixels), mean = sum / count;
    const double deviation = std::sqrt(std::max(square / count - mean * mean, 0.0) + epsilon);
    for (std::size_t c = group; c < group + width; ++c) {
      const double by = film ? 1 + double(film[c]) : 1, plus = film ? double(film[n + c]) : 0;
      const double a = double(weight[c]) / deviation;
      scale[c] = static_cast<float>(a * by);
      shift[c] = static_cast<float>((double(bias[c]) - mean * a) * by + plus);
    }
  }
  at::parallel_for(0, pixels, std::max<std::int64_t>(1, 16384 / channels),
                   [&](std::int64_t begin, std::int64_t end) {
                     transform_to(x + begin * channels, y + begin * channels, end - begin, channels,
                                  scale.data(), shift.data(), activation);
                   });
}

template <class T>
void normalise_all(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                   const at::Tensor& film, Activation activation, at::Tensor& result) {
  const std::int64_t channels = x.size(1), pixels = x.size(2) * x.size(3);
  const at::Tensor w = weight.contiguous(), b = bias.contiguous();
  const at::Tensor f = film.defined() ? film.contiguous() : film;
  for (std::int64_t i = 0; i < x.size(0); ++i)
    normalise(static_cast<const T*>(x.const_data_ptr()) + i * pixels * channels,
              static_cast<T*>(result.mutable_data_ptr()) + i * pixels * channels, pixels, channels,
              w.const_data_ptr<float>(), b.const_data_ptr<float>(),
              f.defined() ? f.const_data_ptr<float>() + i * 2 * channels : nullptr, activation);
}

void with_aten(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& film,
               Activation activation, at::Tensor& result) {
  at::Tensor y = at::group_norm(x.to(at::kFloat), groups, weight, bias, epsilon);
  if (film.defined()) {
    const at::Tensor both = film.unsqueeze(2).unsqueeze(3);
    y = at::addcmul(both.narrow(1, x.size(1), x.size(1)), y, both.narrow(1, 0, x.size(1)) + 1);
  }
  if (activation == Activation::silu) at::silu_(y);
  result.copy_(y);
}

}  // namespace

void group_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& film,
                Activation activation, at::Tensor& result) {
  constexpr auto format = at::MemoryFormat::ChannelsLast;
  const bool rows = x.is_cpu() && x.is_contiguous(format) && result.is_contiguous(format);
  if (rows && x.scalar_type() == at::kFloat)
    normalise_all<float>(x, weight, bias, film, activation, result);
  else if (rows && x.scalar_type() == at::kBFloat16)
    normalise_all<std::uint16_t>(x, weight, bias, film, activation, result);
  else
    with_aten(x, weight, bias, film, activation, result);
}

}  // namespace digfusion
