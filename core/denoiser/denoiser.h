// SPDX-License-Identifier: LGPL-2.1-or-later
//
// ε_θ: the pretrained unconditional denoiser, and the one that the project brings with it.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <vector>

#include "core/denoiser/unet.h"
#include "core/diffusion/schedule.h"

namespace digfusion {

/// Row t of `table` [T] for each of N timesteps: [N]. The table lies where the network computes, since a copy
/// from the host would make each evaluation wait for the GPU.
at::Tensor at_timesteps(const at::Tensor& table, std::span<const int> t);

/// What a network says of noisy pictures.
struct Prediction {
  at::Tensor noise;  ///< ε_θ(x_t, t), float32, of x_t's shape
  /// v of a network with learned-range variance (Nichol and Dhariwal, arXiv 2102.09672, equation 15),
  /// float32, of x_t's shape, about -1..1 but not clipped; undefined where the variance isn't learned. The
  /// reverse step then has the variance  exp(f ln β_t + (1-f) ln β̃_t),  f = (v+1)/2,  with β_t and β̃_t of the
  /// spacing that the sampler uses (not of the 1000 training steps).
  at::Tensor variance;
};

/// An unconditional denoiser. const and thread-safe; one copy serves every stream of a process.
class Denoiser {
 public:
  virtual ~Denoiser() = default;

  /// ε_θ(x_t, t). x_t [N,1,H,W] or [N,channels(),H,W], float32, on the denoiser's device; H and W multiples
  /// of multiple(); t: N timesteps in 0..T-1. Returns float32 of x_t's shape. A network of colour pictures
  /// gets luma replicated to its channels, and the mean of its outputs is returned.
  virtual at::Tensor predict_noise(const at::Tensor& xt, std::span<const int> t) const = 0;

  /// The same evaluation with all that it gives.
  virtual Prediction predict(const at::Tensor& xt, std::span<const int> t) const {
    return {predict_noise(xt, t), {}};
  }
  /// The same with the features of the deep layers, those below the finest resolution, handed on from one
  /// evaluation to the next (DeepCache, arXiv 2312.00858). Where `deep` is undefined, all is evaluated, and
  /// `deep` gets the features, one row a picture; else it is used as it is in place of the deep layers: that
  /// of these pictures, in this order, at a timestep nearby. A network that has no deep layers leaves it
  /// undefined.
  virtual Prediction predict_reusing(const at::Tensor& xt, std::span<const int> t,
                                     at::Tensor& /*deep*/) const {
    return predict(xt, t);
  }
  /// Whether predict() gives a variance.
  virtual bool learns_variance() const { return false; }
  /// Channels of the pictures that the network was trained on: 1 (luma) or 3 (R, G, B on -1..1).
  virtual std::int64_t channels() const { return 1; }

  virtual const NoiseSchedule& schedule() const = 0;
  virtual std::int64_t multiple() const = 0;
  /// Pixels, over the pictures of a batch, from which on larger batches only cost memory.
  virtual std::int64_t pixels_at_once() const { return std::int64_t{1} << 21; }
  /// Numbers that were learned; 0 where it doesn't say.
  virtual std::int64_t weight_count() const { return 0; }
  /// Multiply-adds of one evaluation of a picture of this size.
  virtual double multiply_adds(std::int64_t height, std::int64_t width) const = 0;
  /// Where its time goes: the usual 3×3 convolution of each of its scales, finest first, for a picture of
  /// this size. `digfusion bench` measures them alone.
  virtual std::vector<ConvolutionShape> convolutions(std::int64_t /*height*/, std::int64_t /*width*/) const {
    return {};
  }
};

/// The embedded luma denoiser: the small U-Net with EDM's preconditioning (arXiv 2206.00364, table 1),
///     D(y; σ) = c_skip y + c_out F(c_in y; ln σ / 4),  y = x_t/√ᾱ_t,  ε_θ = (y - D)/σ,
/// which gives F inputs and targets of unit variance at every noise level.
class LumaDenoiser : public Denoiser {
 public:
  /// Weights in the precision of the evaluation, on the device of the evaluation, channels_last.
  LumaDenoiser(UNetConfig config, TensorMap weights);

  at::Tensor predict_noise(const at::Tensor& xt, std::span<const int> t) const override {
    return evaluate(xt, t, nullptr);
  }
  Prediction predict_reusing(const at::Tensor& xt, std::span<const int> t, at::Tensor& deep) const override {
    return {evaluate(xt, t, &deep), {}};
  }
  const NoiseSchedule& schedule() const override { return schedule_; }
  std::int64_t multiple() const override { return config_.multiple(); }
  double multiply_adds(std::int64_t height, std::int64_t width) const override {
    return unet_multiply_adds(config_, height, width);
  }
  std::vector<ConvolutionShape> convolutions(std::int64_t height, std::int64_t width) const override {
    return unet_convolutions(config_, height, width);
  }
  std::int64_t weight_count() const override { return count_of(weights_); }
  const UNetConfig& config() const { return config_; }

 private:
  at::Tensor evaluate(const at::Tensor& xt, std::span<const int> t, at::Tensor* deep) const;

  UNetConfig config_;
  TensorMap weights_;
  at::ScalarType dtype_;
  NoiseSchedule schedule_ = linear_schedule();
  at::Tensor sigma_, scale_;  ///< σ and 1/√ᾱ of each timestep, float32, on the weights' device
};

/// D(y; σ) for y = x_0 + σ ε [N,1,H,W] and σ [N], both float32, with weights of any dtype. Differentiable:
/// the trainer and LumaDenoiser share it. `deep` as unet_forward() takes it.
at::Tensor luma_denoise(const UNetConfig& config, const TensorMap& weights, const at::Tensor& noisy,
                        const at::Tensor& sigma, at::Tensor* deep = nullptr);

/// The network that the trainer builds for a new luma denoiser: about 1 M parameters.
UNetConfig luma_denoiser_config();

}  // namespace digfusion
