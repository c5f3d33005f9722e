// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Weights by name: against the shapes that a network needs, and on their way to its device.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/denoiser/stored_tensor.h"

namespace digfusion {

/// Name and shape of every weight of a network, in the order of the forward pass.
using WeightShapes = std::vector<std::pair<std::string, Shape>>;

/// What is known of weights without reading them.
struct WeightKind {
  at::ScalarType type;
  Shape sizes;
};
using WeightKinds = std::map<std::string, WeightKind>;
WeightKinds kinds_of(const TensorMap& weights);
WeightKinds kinds_of(const StoredTensors& weights);

/// Throws Error(model) that names the first weight that is missing, left over, of another shape (with the one
/// that was expected and the one found) or not of floating-point numbers.
void check_weights(const WeightShapes& expected, const WeightKinds& weights, const std::string& path);

/// Copies on the device, in the dtype that `type_of` gives for a name, four-dimensional weights
/// channels_last, one after the other. Throws Error(model) naming the first weight that isn't finite in its
/// dtype (float16 ends at 65504).
TensorMap placed(const StoredTensors& weights, at::Device device,
                 const std::function<at::ScalarType(const std::string& name)>& type_of);

/// Numbers in all of them together.
std::int64_t count_of(const TensorMap& weights);

}  // namespace digfusion
