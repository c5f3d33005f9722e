// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/weights.h"

#include <set>

#include "core/interface/error.h"

namespace digfusion {

WeightKinds kinds_of(const TensorMap& weights) {
  WeightKinds kinds;
  for (const auto& [name, weight] : weights)
    kinds.emplace(name, WeightKind{weight.scalar_type(), weight.sizes().vec()});
  return kinds;
}

WeightKinds kinds_of(const StoredTensors& weights) {
  WeightKinds kinds;
  for (const auto& [name, weight] : weights) kinds.emplace(name, WeightKind{weight.type, weight.sizes});
  return kinds;
}

void check_weights(const WeightShapes& expected, const WeightKinds& weights, const std::string& path) {
  const auto refuse = [&](const std::string& name, const std::string& what) {
    throw Error(ErrorCode::model, "model file " + path + ": tensor \"" + name + "\" " + what);
  };
  const auto text = [](const Shape& shape) { return c10::str(at::IntArrayRef(shape)); };
  std::set<std::string> names;
  for (const auto& [name, shape] : expected) {
    const auto found = weights.find(name);
    if (found == weights.end()) refuse(name, "is missing; expected with shape " + text(shape));
    if (!at::isFloatingType(found->second.type)) refuse(name, "doesn't hold floating-point numbers");
    if (found->second.sizes != shape)
      refuse(name, "has shape " + text(found->second.sizes) + ", expected " + text(shape));
    names.insert(name);
  }
  for (const auto& [name, weight] : weights)
    if (!names.contains(name)) refuse(name, "belongs to another network");
}

TensorMap placed(const StoredTensors& weights, at::Device device,
                 const std::function<at::ScalarType(const std::string&)>& type_of) {
  TensorMap result;
  for (const auto& [name, stored] : weights) {
    const at::ScalarType type = type_of(name);
    const auto format =
        stored.sizes.size() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
    at::Tensor copy =
        at::empty(stored.sizes, at::TensorOptions().device(device).dtype(type).memory_format(format));
    // Through float32 on other devices: float16 to bfloat16 directly would round twice on some.
    copy.copy_(device.is_cpu() ? stored.load() : stored.load().to(at::kFloat));
    // What was finite in the file stays so in any format of float32's range.
    if ((type == at::kHalf || stored.type == at::kDouble) && !all_finite(copy))
      refuse_range(stored, name, type);
    result.emplace(name, std::move(copy));
  }
  return result;
}

std::int64_t count_of(const TensorMap& weights) {
  std::int64_t count = 0;
  for (const auto& [name, weight] : weights) count += weight.numel();
  return count;
}

}  // namespace digfusion
