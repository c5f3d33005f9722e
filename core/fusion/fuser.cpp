// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/fuser.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include <algorithm>

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

/// Grown at the bottom and right to multiples of `multiple`. Reflection reaches no further than a picture's
/// own size, so a picture smaller than a coarse network's multiple is reflected more than once.
at::Tensor padded(at::Tensor pictures, std::int64_t multiple) {
  const auto rounded_up = [&](std::int64_t size) { return (size + multiple - 1) / multiple * multiple; };
  const std::int64_t height = rounded_up(pictures.size(2)), width = rounded_up(pictures.size(3));
  while (pictures.size(2) < height || pictures.size(3) < width)
    pictures = at::reflection_pad2d(pictures, {0, std::min(width - pictures.size(3), pictures.size(3) - 1), 0,
                                               std::min(height - pictures.size(2), pictures.size(2) - 1)});
  return pictures;
}

}  // namespace

Fuser::Fuser(const Parameters& parameters, const std::function<void(const std::string&)>& warn)
    : parameters_(checked(parameters)),
      choice_(choose_device(parameters.device.view(), parameters.precision, warn)),
      method_(make_method(parameters, choice_.device, choice_.network)),
      model_(model_in_use(parameters)) {}

void Fuser::configure(const Parameters& parameters) {
  const Parameters next = merged(parameters_, checked(parameters));
  if (next.method != parameters_.method) {
    auto method = make_method(next, choice_.device, choice_.network);
    model_ = model_in_use(next);
    method_ = std::move(method);
  } else {
    method_->check(next);
  }
  parameters_ = next;
}

at::Tensor Fuser::fuse(const at::Tensor& sources) {
  const std::int64_t height = sources.size(2), width = sources.size(3);
  if (sources.size(0) < 2 || height < 16 || width < 16)
    throw Error(ErrorCode::invalid_argument,
                "fusion needs two or more pictures of at least 16×16 pixels, not " +
                    std::to_string(sources.size(0)) + " of " + std::to_string(width) + "×" +
                    std::to_string(height));
  const at::Tensor fused = method_->fuse(padded(sources.to(choice_.device), method_->multiple()), parameters_,
                                         seeded_noise(parameters_.seed, choice_.device));
  const at::Tensor cropped = fused.narrow(2, 0, height).narrow(3, 0, width);
  // A picture with holes in it must not look like one without. (Reading the sum also waits for a GPU.)
  if (!std::isfinite(cropped.sum().item<float>()))
    throw Error(ErrorCode::internal, "the network's result isn't finite; try precision=float32");
  return cropped.clamp(-1, 1);
}

NoiseField seeded_noise(std::int64_t seed, at::Device device) {
  return [=](std::int64_t number, std::int64_t height, std::int64_t width) {
    // ATen's generator takes 32 bits of its seed: splitmix64 brings all 64 bits of both numbers into them.
    std::uint64_t z = static_cast<std::uint64_t>(seed) * 0x9e3779b97f4a7c15ULL +
                      static_cast<std::uint64_t>(number) * 0xd1b54a32d192ed03ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return at::randn({1, 1, height, width}, at::detail::createCPUGenerator((z ^ (z >> 31)) & 0xffffffff))
        .to(device);
  };
}

}  // namespace digfusion
