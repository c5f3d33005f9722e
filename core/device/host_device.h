// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the bodies of kernels are written with. A body is compiled twice: by nvcc for the GPU, and by the
// host's compiler for its CPU twin, which the tests check against brute force.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#define DIGFUSION_HD __host__ __device__
#else
#define DIGFUSION_HD
#endif

namespace digfusion {

template <class T>
DIGFUSION_HD constexpr T smaller(T a, T b) {
  return b < a ? b : a;
}
template <class T>
DIGFUSION_HD constexpr T larger(T a, T b) {
  return a < b ? b : a;
}
/// NaN stays NaN.
template <class T>
DIGFUSION_HD constexpr T within(T value, T low, T high) {
  return value < low ? low : high < value ? high : value;
}

DIGFUSION_HD inline std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}
DIGFUSION_HD inline float float_of(std::uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// Two sums at once, which is what a mean and a deviation need.
struct Sums {
  double first, second;
};

/// Adds one, while others do the same.
DIGFUSION_HD inline void count_up(std::uint32_t* counter) {
#ifdef __CUDA_ARCH__
  atomicAdd(counter, 1u);
#else
  __atomic_fetch_add(counter, 1u, __ATOMIC_RELAXED);
#endif
}

// --- numbers of the networks

enum class Number : int { float32, bfloat16, float16 };

/// To nearest, ties to even.
DIGFUSION_HD inline std::uint16_t to_bfloat16(float value) {
  const std::uint32_t u = bits_of(value);
  if ((u & 0x7fffffff) > 0x7f800000) return static_cast<std::uint16_t>(u >> 16 | 0x40);  // NaN
  return static_cast<std::uint16_t>((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
DIGFUSION_HD inline std::uint16_t to_float16(float value) {
  std::uint32_t u = bits_of(value);
  const std::uint32_t sign = u >> 16 & 0x8000;
  u &= 0x7fffffff;
  std::uint32_t half;
  if (u > 0x7f800000)
    half = 0x7e00;  // NaN
  else if (u >= 0x477ff000)
    half = 0x7c00;  // 65520 and more
  else if (u < 0x38800000)
    half =
        bits_of(float_of(u) + 0.5f) - 0x3f000000;  // subnormal: the last bit of ½ is worth 2^-24, as its own
  else
    half = (u - 0x38000000 + 0xfff + (u >> 13 & 1)) >> 13;
  return static_cast<std::uint16_t>(sign | half);
}
DIGFUSION_HD inline float from_float16(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t(half & 0x8000) << 16, exponent = half >> 10 & 31,
                      rest = half & 0x3ff;
  if (exponent == 31) return float_of(sign | 0x7f800000 | rest << 13);
  if (exponent == 0) return float_of(sign | bits_of(static_cast<float>(rest) * 5.9604644775390625e-8f));
  return float_of(sign | (exponent + 112) << 23 | rest << 13);
}

DIGFUSION_HD inline float load_number(const void* from, std::int64_t i, Number type) {
  if (type == Number::float32) return static_cast<const float*>(from)[i];
  const std::uint16_t bits = static_cast<const std::uint16_t*>(from)[i];
  return type == Number::bfloat16 ? float_of(std::uint32_t(bits) << 16) : from_float16(bits);
}
DIGFUSION_HD inline void store_number(void* to, std::int64_t i, float value, Number type) {
  if (type == Number::float32)
    static_cast<float*>(to)[i] = value;
  else
    static_cast<std::uint16_t*>(to)[i] = type == Number::bfloat16 ? to_bfloat16(value) : to_float16(value);
}

}  // namespace digfusion
