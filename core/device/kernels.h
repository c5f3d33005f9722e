// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The fused kernels, behind one interface with a CPU and a CUDA implementation that are made from the same
// bodies (kernel_set.h). Calls only start work on the backend's stream; nothing waits, nothing is allocated.
// Pointers are the device's. No torch type, so that .cu files needn't read torch's headers.
#pragma once

#include <memory>

#include "core/device/block_copies.h"
#include "core/device/gradient_stream.h"
#include "core/device/infrared_bodies.h"

namespace digfusion {

/// GroupNorm + FiLM + activation of NHWC numbers (core/denoiser/group_norm.h).
struct GroupNormCall {
  const void* x;
  void* y;  ///< may be x
  Number type;
  int count, pixels, channels, groups;
  float epsilon;
  const float *weight, *bias;  ///< [channels]
  const float* film;           ///< [count, 2·channels]: scale, shift; or null
  bool silu;
  float* factors;  ///< [count, 2·channels] of passing use
};

/// A guided step: x̂0' = lerp(x̂0, target, guidance), next = of_x0 x̂0' + of_xt x + of_noise z, with x̂0 from
/// equation (26), clipped (core/diffusion/steps.h, core/fusion/guided.cpp).
struct GuidedStepCall {
  const float *x, *predicted, *target, *noise;  ///< noise may be null
  float* next;
  int numbers;
  float root_alpha_bar, root_rest;  ///< √ᾱ, √(1-ᾱ)
  float guidance, of_x0, of_xt, of_noise;
};

/// Σ of bands as combine_bands() (core/fusion/bands.h), K sources, M levels, `pixels` each.
struct CombineCall {
  const float *sources, *means, *weights;  ///< [K,pixels], [M,K,pixels], [M,K,pixels]
  float* fused;
  int count, levels, pixels;
  int base;  ///< 0 average, 1 mixed, 2 maximum
};

class Kernels {
 public:
  virtual ~Kernels() = default;

  // method=gradient, in the order of a frame's way
  virtual void place_infrared(const InfraredPlacing&) const = 0;
  virtual void read_planes(const GradientStream&) const = 0;
  virtual void find_noise(const GradientStream&) const = 0;
  /// `fine`: the network's output for the pictures that have a row in it.
  virtual void take_noise_away(const GradientStream&, const NetworkMap& fine, const NoiseRows&) const = 0;
  virtual void take_errors(const GradientStream&, const NetworkMap& side) const = 0;
  virtual void follow_scene(const GradientStream&) const = 0;
  virtual void weigh(const GradientStream&) const = 0;
  virtual void make_base(const GradientStream&) const = 0;
  virtual void solve(const GradientStream&) const = 0;
  virtual void fit_tone(const GradientStream&) const = 0;
  /// What isn't finite doesn't become the past.
  virtual void commit(const GradientStream&) const = 0;
  /// `copy_width`: the most bytes of a row, `copy_rows` the most rows of the planes that are copied.
  virtual void write_planes(const GradientStream&, int copies, int copy_width, int copy_rows) const = 0;

  /// Instead of write_planes(), what FrameArguments::view says.
  virtual void write_view(const GradientStream&, const ViewExtent& output, bool has_palette) const = 0;

  virtual void group_norm(const GroupNormCall&) const = 0;
  virtual void guided_step(const GuidedStepCall&) const = 0;
  virtual void combine(const CombineCall&) const = 0;
  virtual void copy_blocks(const BlockCopies&) const = 0;
  virtual void do_nothing() const = 0;  ///< one empty kernel, whose time is a launch's
};

std::unique_ptr<Kernels> make_cpu_kernels();
#ifdef DIGFUSION_KERNELS
/// Of the calling thread's current device; `stream` is a cudaStream_t. Throws std::runtime_error.
std::unique_ptr<Kernels> make_cuda_kernels(void* stream);
/// Of LibTorch's current stream in the calling thread, kept from call to call: for networks outside of a
/// Backend.
const Kernels& current_cuda_kernels();
#endif

}  // namespace digfusion
