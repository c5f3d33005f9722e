// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/fuser.h"

#include <algorithm>
#include <cmath>

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
      noise_(choice_.device),
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
    if (recorded_) recorded_->forget();
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
  at::Tensor result;
  const bool recorded = is_recorded();
  const auto frame = [&] {
    const at::Tensor fused =
        fuse_padded(pad_to_multiple(sources.to(choice_.device), method_->multiple()), recorded);
    height_ = height;
    width_ = width;
    const at::Tensor cropped = fused.narrow(2, 0, height).narrow(3, 0, width);
    // A picture with holes in it must not look like one without. (Reading the sum also waits for a GPU.)
    if (!std::isfinite(cropped.sum().item<float>()))
      throw Error(ErrorCode::internal, "the network's result isn't finite; try precision=float32");
    result =
        (parameters_.contrast > 1 ? stretch_contrast(cropped, parameters_.contrast) : cropped).clamp(-1, 1);
  };
  if (recorded)
    recorded_->run(frame);
  else
    frame();
  return result;
}

bool Fuser::is_recorded() {
  if (!method_->recordable(parameters_)) return false;
  if (!recorded_ && !choice_.device.is_cpu() && has_backend(choice_.device))
    record_with(make_backend(choice_.device));
  return recorded_.has_value();
}

at::Tensor Fuser::fuse_padded(const at::Tensor& padded, bool recorded) {
  return recorded ? recorded_->fuse(*method_, padded, parameters_, noise_)
                  : method_->fuse(padded, parameters_, noise_.of(parameters_.seed));
}

std::vector<at::Tensor> Fuser::cropped_weights() const {
  std::vector<at::Tensor> weights = method_->visible_weights();
  for (at::Tensor& each : weights) each = each.narrow(2, 0, height_).narrow(3, 0, width_);
  return weights;
}

at::Tensor Fuser::gain_map() const {
  const std::vector<at::Tensor> weights = cropped_weights();
  if (weights.empty())
    throw Error(ErrorCode::invalid_argument,
                std::string("parameter mode: gain needs a method with weights, which ") +
                    name_of("method", static_cast<int>(parameters_.method)) + " hasn't");
  return (1 - at::cat(weights)).clamp_(0, 1).mean(0, true);  // the weights' sum is 1
}

std::vector<double> Fuser::weight_means() const {
  // ATen's sums of float32 are pairwise, and much faster than those in float64.
  std::vector<at::Tensor> visible;
  for (const at::Tensor& each : cropped_weights()) visible.push_back(each.mean({1, 2, 3}));
  if (visible.empty()) return {};
  const at::Tensor all = at::cat(visible).to(at::kCPU, at::kDouble);
  std::vector<double> means(all.const_data_ptr<double>(), all.const_data_ptr<double>() + all.numel());
  for (double& mean : means) mean = std::clamp(1 - mean, 0.0, 1.0);
  return means;
}

}  // namespace digfusion
