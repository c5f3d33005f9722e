// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/training/adam.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "core/interface/error.h"

namespace digfusion {
namespace {

constexpr double beta1 = 0.9, beta2 = 0.99, epsilon = 1e-8;

std::vector<at::Tensor> values(const TensorMap& map) {
  std::vector<at::Tensor> list;
  for (const auto& [name, tensor] : map) list.push_back(tensor);
  return list;
}

TensorMap copies(const TensorMap& map, bool zero) {
  TensorMap result;
  for (const auto& [name, tensor] : map)
    result.emplace(name, zero ? at::zeros_like(tensor) : tensor.detach().clone());
  return result;
}

}  // namespace

Adam::Adam(TensorMap weights, double average_decay)
    : weights_(std::move(weights)),
      average_(copies(weights_, false)),
      first_(copies(weights_, true)),
      second_(copies(weights_, true)),
      average_decay_(average_decay) {
  for (auto& [name, w] : weights_) w.set_requires_grad(true);
}

double Adam::step(double learning_rate, double clip) {
  const at::NoGradGuard no_gradients;
  ++steps_;
  std::vector<at::Tensor> weights = values(weights_), gradients;
  for (const at::Tensor& w : weights) gradients.push_back(w.grad().defined() ? w.grad() : at::zeros_like(w));
  const double norm = at::stack(at::_foreach_norm(gradients, 2)).norm().item<double>();
  at::_foreach_mul_(gradients, std::min(1.0, clip / (norm + 1e-12)));

  std::vector<at::Tensor> first = values(first_), second = values(second_), average = values(average_);
  at::_foreach_lerp_(first, gradients, 1 - beta1);
  at::_foreach_mul_(second, beta2);
  at::_foreach_addcmul_(second, gradients, gradients, 1 - beta2);
  const double correction1 = 1 - std::pow(beta1, double(steps_)),
               correction2 = 1 - std::pow(beta2, double(steps_));
  std::vector<at::Tensor> denominator = at::_foreach_sqrt(second);
  at::_foreach_div_(denominator, std::sqrt(correction2));
  at::_foreach_add_(denominator, epsilon);
  at::_foreach_addcdiv_(weights, first, denominator, -learning_rate / correction1);
  // The average forgets its start faster while the run is young.
  at::_foreach_lerp_(average, weights, 1 - std::min(average_decay_, double(steps_) / double(steps_ + 10)));
  for (at::Tensor& w : weights) w.mutable_grad().reset();
  return norm;
}

void Adam::save(TensorMap& into) const {
  for (const auto& [name, w] : weights_) {
    into["weight/" + name] = w.detach();
    into["average/" + name] = average_.at(name);
    into["first/" + name] = first_.at(name);
    into["second/" + name] = second_.at(name);
  }
}

void Adam::restore(const TensorMap& from, std::int64_t steps, const std::string& path) {
  const at::NoGradGuard no_gradients;
  const auto copy = [&](const char* prefix, TensorMap& to) {
    for (auto& [name, tensor] : to) {
      const auto found = from.find(prefix + name);
      if (found == from.end() || found->second.sizes() != tensor.sizes())
        throw Error(ErrorCode::model, "checkpoint " + path + ": tensor \"" + prefix + name +
                                          "\" is missing or of another shape: it belongs to another run");
      tensor.copy_(found->second);
    }
  };
  copy("weight/", weights_);
  copy("average/", average_);
  copy("first/", first_);
  copy("second/", second_);
  steps_ = steps;
}

}  // namespace digfusion
