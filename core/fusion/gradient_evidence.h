// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where the evidence of gradient-domain fusion comes from: parameter `evidence`.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "core/fusion/gradient.h"
#include "core/fusion/information_gain.h"
#include "core/fusion/noise_levels.h"
#include "core/parameters/parameters.h"

namespace digfusion {

/// Noise levels whose gains weigh the gradients, of the teacher (a student has those that it was trained
/// for). Above 200 little is left that tells one edge from another.
inline constexpr int evidence_timesteps[] = {200, 60, 15};

class EvidenceMaker {
 public:
  virtual ~EvidenceMaker() = default;
  /// Throws Error(invalid_argument) when the parameters ask for what isn't to be had from here.
  virtual void check(const Parameters&) const {}
  /// sources and noise as for FusionMethod::fuse().
  virtual Evidence gather(const at::Tensor& sources, const Parameters& parameters,
                          const NoiseField& noise) = 0;
  /// Forgets the pictures before.
  void reset() { levels_.reset(); }
  /// Takes over what a maker for the same stream has found, whether or not either asks for it.
  const NoiseLevels& levels() const { return levels_; }
  void set_levels(NoiseLevels&& levels) noexcept { levels_ = std::move(levels); }
  void inherit(EvidenceMaker& before) { levels_ = std::move(before.levels_); }
  /// As those of FusionMethod.
  virtual std::int64_t multiple() const { return 1; }
  virtual std::uint64_t evaluations() const { return 0; }

 protected:
  NoiseLevels levels_;
};

/// Opens the network, if parameters.evidence needs one. Throws as make_gradient_method().
std::unique_ptr<EvidenceMaker> make_evidence(const Parameters& parameters, at::Device device,
                                             at::ScalarType dtype);

/// The stand-in without diffusion: (c - gauss_σ c)² for σ = 4, 2, 1 pixels. [K,1,H,W] → [K,3,H,W].
at::Tensor scale_space_errors(const at::Tensor& sources);

}  // namespace digfusion
