// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/fuser.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>

#include "core/diffusion/seed.h"
#include "core/fusion/tone.h"
#include "core/image/pad.h"
#include "core/interface/error.h"

namespace digfusion {
namespace {

/// `next` for what may change while playing, `now` for what only load() changes.
Parameters merged(const Parameters& now, const Parameters& next) {
  Parameters result = next;
  for (const ParameterSpec& spec : parameter_table())
    if (spec.mutability == Mutability::ready) spec.assign(result, spec.get(now));
  return result;
}

const Parameters& checked(const Parameters& parameters) {
  if (const auto message = check(parameters)) throw Error(ErrorCode::invalid_argument, *message);
  return parameters;
}

}  // namespace

Fuser::Fuser(const Parameters& parameters, const std::function<void(const std::string&)>& warn)
    : parameters_(checked(parameters)),
      choice_(choose_device(parameters.device.view(), parameters.precision, warn)),
      method_(make_method(parameters, choice_.device, choice_.network)),
      model_(model_in_use(parameters)) {
  keep_student(parameters);
}

void Fuser::keep_student(const Parameters& p) {
  if (network_of(p) != NetworkKind::gradient_student) return;
  auto student = gradient_student_of(p, choice_.device, choice_.network);
  if (std::ranges::find(students_, student) == students_.end()) students_.push_back(std::move(student));
}

void Fuser::configure(const Parameters& parameters) {
  const Parameters next = merged(parameters_, checked(parameters));
  if (std::string model = model_in_use(next);
      next.method != parameters_.method || next.evidence != parameters_.evidence || model != model_) {
    auto method = make_method(next, choice_.device, choice_.network);
    keep_student(next);
    // Other evidence is of the same scene: a change of preset while playing is no cut.
    method->inherit(*method_);
    model_ = std::move(model);
    method_ = std::move(method);
  } else {
    method_->check(next);
  }
  parameters_ = next;
}

std::function<void()> Fuser::keep_past() {
  return [this, bring_back = method_->keep_past(), height = height_, width = width_] {
    if (bring_back) bring_back();
    height_ = height;
    width_ = width;
  };
}

at::Tensor Fuser::fuse(const at::Tensor& sources) {
  const std::int64_t height = sources.size(2), width = sources.size(3);
  if (sources.size(0) < 2 || height < 16 || width < 16)
    throw Error(ErrorCode::invalid_argument,
                "fusion needs two or more pictures of at least 16×16 pixels, not " +
                    std::to_string(sources.size(0)) + " of " + std::to_string(width) + "×" +
                    std::to_string(height));
  const at::Tensor fused = method_->fuse(pad_to_multiple(sources.to(choice_.device), method_->multiple()),
                                         parameters_, seeded_noise(parameters_.seed, choice_.device));
  height_ = height;
  width_ = width;
  const at::Tensor cropped = fused.narrow(2, 0, height).narrow(3, 0, width);
  // A picture with holes in it must not look like one without. (Reading the sum also waits for a GPU.)
  if (!std::isfinite(cropped.sum().item<float>()))
    throw Error(ErrorCode::internal, "the network's result isn't finite; try precision=float32");
  return (parameters_.contrast > 1 ? stretch_contrast(cropped, parameters_.contrast) : cropped).clamp(-1, 1);
}

at::Tensor Fuser::cropped_weights() const {
  const at::Tensor weights = method_->weights();
  return weights.defined() ? weights.narrow(2, 0, height_).narrow(3, 0, width_) : weights;
}

at::Tensor Fuser::gain_map() const {
  const at::Tensor weights = cropped_weights();
  if (!weights.defined())
    throw Error(ErrorCode::invalid_argument,
                std::string("parameter mode: gain needs a method with weights, which ") +
                    name_of("method", static_cast<int>(parameters_.method)) + " hasn't");
  return weights.mean(0, true);
}

std::vector<double> Fuser::weight_means() const {
  const at::Tensor weights = cropped_weights();
  if (!weights.defined()) return {};
  // ATen's sums of float32 are pairwise, and much faster than those in float64.
  const at::Tensor means = weights.flatten(1).mean(1).to(at::kCPU, at::kDouble);
  return {means.const_data_ptr<double>(), means.const_data_ptr<double>() + means.numel()};
}

NoiseField seeded_noise(std::int64_t seed, at::Device device) {
  return [=](std::int64_t number, std::int64_t height, std::int64_t width) {
    const std::uint64_t both = static_cast<std::uint64_t>(seed) * 0x9e3779b97f4a7c15ULL +
                               static_cast<std::uint64_t>(number) * 0xd1b54a32d192ed03ULL;
    // ATen's generator takes 32 bits of its seed: mixing brings all bits of both numbers into them.
    return at::randn({1, 1, height, width}, at::detail::createCPUGenerator(mix_seed(both) & 0xffffffff))
        .to(device);
  };
}

}  // namespace digfusion
