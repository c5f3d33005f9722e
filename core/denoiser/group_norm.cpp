// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/group_norm.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/device/clones.h"
#include "core/device/current_kernels.h"

#define DIGFUSION_INLINE inline __attribute__((always_inline))

namespace digfusion {
namespace {

constexpr std::int64_t groups = 32;
constexpr double epsilon = 1e-5;

// --- sixteen numbers at once, in whatever registers a processor has; bfloat16 by its bits

constexpr std::int64_t lanes = 16;  // channels are whole groups of them
using Floats = float __attribute__((vector_size(lanes * 4)));
using Words = std::uint32_t __attribute__((vector_size(lanes * 4)));
using Halves = std::uint16_t __attribute__((vector_size(lanes * 2)));

template <class Vector, class T>
DIGFUSION_INLINE void load(Vector& v, const T* from) {
  std::memcpy(&v, from, sizeof v);
}
DIGFUSION_INLINE void widen(Floats& v, const float* x) { load(v, x); }
DIGFUSION_INLINE void widen(Floats& v, const std::uint16_t* x) {
  Halves halves;
  load(halves, x);
  v = reinterpret_cast<Floats>(__builtin_convertvector(halves, Words) << 16);
}
DIGFUSION_INLINE void round_to(const Floats& v, float* y) { std::memcpy(y, &v, sizeof v); }
DIGFUSION_INLINE void round_to(const Floats& v,
                               std::uint16_t* y) {  // to nearest, ties to even; the numbers are finite
  const Words bits = reinterpret_cast<Words>(v);
  const Halves halves = __builtin_convertvector((bits + 0x7fff + (bits >> 16 & 1)) >> 16, Halves);
  std::memcpy(y, &halves, sizeof halves);
}

/// x/(1+e^-x) to a few units in the last place. e^y = 2^n e^r with |r| ≤ ln 2 / 2.
DIGFUSION_INLINE void silu(Floats& x) {
  const Words bits = reinterpret_cast<Words>(-x), whole = bits & 0x7fffffff;
  const Words size = whole < 0x42ae0000 ? whole : 0x42ae0000 + Words{};  // |y| ≤ 87
  const Floats y = reinterpret_cast<Floats>(size | (bits & 0x80000000));
  const Floats shifted = y * 1.44269504f + 12582912.f;  // 1.5 · 2^23: the sum's last bits are n
  const Floats n = shifted - 12582912.f;
  const Floats r = (y - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts
  Floats p = 1.9875691500e-4f * r + 1.3981999507e-3f;            // Cephes' expf
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.f;
  const Floats power = reinterpret_cast<Floats>((reinterpret_cast<Words>(shifted) << 23) + 0x3f800000);
  x /= 1.f + p * power;
}

/// Adds to sum[c] and square[c] those of `pixels` rows of `channels` numbers.
template <class T>
DIGFUSION_INLINE void moments(const T* x, std::int64_t pixels, std::int64_t channels, float* sum,
                              float* square) {
  for (std::int64_t c = 0; c < channels; c += lanes) {
    Floats sums, squares, v;
    load(sums, sum + c);
    load(squares, square + c);
    for (std::int64_t p = 0; p < pixels; ++p) {
      widen(v, x + p * channels + c);
      sums += v;
      squares += v * v;
    }
    round_to(sums, sum + c);
    round_to(squares, square + c);
  }
}

/// y may be x: no number depends on another's place.
template <class T>
DIGFUSION_INLINE void transform(const T* x, T* y, std::int64_t pixels, std::int64_t channels,
                                const float* scale, const float* shift, Activation activation) {
  for (std::int64_t p = 0; p < pixels; ++p, x += channels, y += channels)
    for (std::int64_t c = 0; c < channels; c += lanes) {
      Floats v, by, plus;
      widen(v, x + c);
      load(by, scale + c);
      load(plus, shift + c);
      v = v * by + plus;
      if (activation == Activation::silu) silu(v);
      round_to(v, y + c);
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

#ifdef DIGFUSION_KERNELS
/// LibTorch's own returns NCHW for channels_last, and knows neither FiLM nor the activation.
bool by_kernels(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& film,
                Activation activation, at::Tensor& result) {
  const auto count = static_cast<int>(x.size(0)), channels = static_cast<int>(x.size(1));
  const at::Tensor factors = at::empty({count, 2 * channels}, weight.options());
  const at::Tensor w = weight.contiguous(), b = bias.contiguous(),
                   f = film.defined() ? film.contiguous() : film;
  GroupNormCall call{};
  call.x = x.const_data_ptr();
  call.y = result.mutable_data_ptr();
  call.type = x.scalar_type() == at::kFloat  ? Number::float32
              : x.scalar_type() == at::kHalf ? Number::float16
                                             : Number::bfloat16;
  call.count = count, call.channels = channels, call.groups = groups;
  call.pixels = static_cast<int>(x.size(2) * x.size(3));
  call.epsilon = static_cast<float>(epsilon);
  call.weight = w.const_data_ptr<float>(), call.bias = b.const_data_ptr<float>();
  call.film = f.defined() ? f.const_data_ptr<float>() : nullptr;
  call.silu = activation == Activation::silu;
  call.factors = factors.mutable_data_ptr<float>();
  return with_kernels(x.device(), [&](const Kernels& kernels) { kernels.group_norm(call); });
}
#endif

}  // namespace

void group_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& film,
                Activation activation, at::Tensor& result) {
  constexpr auto format = at::MemoryFormat::ChannelsLast;
  const bool rows = x.is_cpu() && x.is_contiguous(format) && result.is_contiguous(format);
  if (rows && x.scalar_type() == at::kFloat)
    normalise_all<float>(x, weight, bias, film, activation, result);
  else if (rows && x.scalar_type() == at::kBFloat16)
    normalise_all<std::uint16_t>(x, weight, bias, film, activation, result);
#ifdef DIGFUSION_KERNELS
  else if (x.is_cuda() && x.scalar_type() != at::kDouble && x.is_contiguous(format) &&
           result.is_contiguous(format) && by_kernels(x, weight, bias, film, activation, result))
    return;
#endif
  else
    with_aten(x, weight, bias, film, activation, result);
}

}  // namespace digfusion
