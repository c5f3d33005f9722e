// SPDX-License-Identifier: LGPL-2.1-or-later
//
// method=gradient as the Fuser sees it: evidence from where the parameters say, then GradientFusion.
#pragma once

#include <ATen/ATen.h>

#include <memory>

#include "core/fusion/gradient.h"
#include "core/fusion/method.h"
#include "core/parameters/parameters.h"

namespace digfusion {

/// The rule as the parameters say.
GradientRule rule_of(const Parameters& parameters);

/// Opens the network that parameters.evidence needs, if any. Throws what open_denoiser() and open_student()
/// throw, and Error(invalid_argument) for a student without the noise levels of the gains.
std::unique_ptr<FusionMethod> make_gradient_method(const Parameters& parameters, at::Device device,
                                                   at::ScalarType dtype);

}  // namespace digfusion
