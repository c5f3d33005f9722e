// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a fusion method is to the Fuser. A new one: a class here, a row in make_method(), a Choice in the
// parameter table (docs/extending.md).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/denoiser/registry.h"
#include "core/fusion/information_gain.h"
#include "core/interface/stages.h"
#include "core/parameters/parameters.h"

namespace digfusion {

class FusionMethod {
 public:
  virtual ~FusionMethod() = default;

  /// Throws Error(invalid_argument) when this method can't do what `parameters` ask for.
  virtual void check(const Parameters&) const {}

  /// sources [K,C,H,W] float32 on -1..1, K ≥ 2, C = 1, or 3 with channels=rgb, on the device, H and W
  /// multiples of multiple(). Returns the fused picture [1,C,H,W]; the Fuser clips it.
  virtual at::Tensor fuse(const at::Tensor& sources, const Parameters& parameters,
                          const NoiseField& noise) = 0;

  /// Forgets the frames before.
  virtual void reset() {}
  /// What brings back what is known of the frames before at this moment; to be called once, while this method
  /// lives. It throws nothing. Null for a method without a past.
  virtual std::function<void()> keep_past() { return nullptr; }
  /// Takes over what `before`, whose place it takes in a running stream, knows of the frames before; nothing
  /// where that is another method, or saw them otherwise.
  virtual void inherit(FusionMethod& /*before*/) {}

  /// The visible source's weight in the last picture for each noise level, the most noisy first: one tensor
  /// or several of [L,1,H,W] on the sources' grid, 0..1; the infrared sources' share is the rest. Empty where
  /// a method has no such weights, and before the first picture.
  virtual std::vector<at::Tensor> visible_weights() const { return {}; }

  /// Whether what fuse() starts depends on these parameters, the sources' sizes and the noise alone, so that
  /// it can be recorded once and started again for other sources (RecordedMethod): no past, nothing that the
  /// host reads from the device, no copy from the host.
  virtual bool recordable(const Parameters&) const { return false; }
  /// After a picture that was such a recording: what visible_weights() and evaluations() say from now on.
  virtual void recall(std::vector<at::Tensor> /*weights*/, std::uint64_t /*evaluations*/) {}

  virtual std::int64_t multiple() const = 0;
  /// The most channels that it fuses: 1 (luma), or 3 for a model of colour pictures.
  virtual std::int64_t channels() const { return 1; }
  /// Network evaluations of the last picture, each picture of a batch counted.
  virtual std::uint64_t evaluations() const = 0;
  /// Where the last picture's time went, on the CPU; empty where a method doesn't tell.
  virtual std::span<const Lap> laps() const { return {}; }
};

/// The denoiser that the parameters name. Throws what open_denoiser() throws.
std::shared_ptr<const Denoiser> denoiser_of(const Parameters& parameters, at::Device device,
                                            at::ScalarType dtype);

/// Opens the networks that the method needs. Throws what open_denoiser() and open_student() throw.
std::unique_ptr<FusionMethod> make_method(const Parameters& parameters, at::Device device,
                                          at::ScalarType dtype);

/// The file of that student. Throws Error(model) where an embedded one is missing.
std::string gradient_student_file(const Parameters& parameters);

/// Which network make_method() opens for these parameters.
enum class NetworkKind { none, denoiser, student, gradient_student };
NetworkKind network_of(const Parameters& parameters);

/// The student of method=gradient that the parameters name. Throws what open_gradient_student() throws.
std::shared_ptr<const GradientStudent> gradient_student_of(const Parameters& parameters, at::Device device,
                                                           at::ScalarType dtype);

/// The file that make_method() reads for these parameters; empty for none.
std::string model_in_use(const Parameters& parameters);

}  // namespace digfusion
