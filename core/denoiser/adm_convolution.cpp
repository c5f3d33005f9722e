// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/adm_convolution.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <array>
#include <optional>
#include <string_view>

#include "core/device/device.h"

namespace digfusion {
namespace {

using Scalars = c10::List<std::optional<at::Scalar>>;
using Text = std::optional<std::string_view>;

/// LibTorch's operators on packed weights have no C++ functions.
using Convolve = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                            at::IntArrayRef padding, at::IntArrayRef stride, at::IntArrayRef dilation,
                            std::int64_t groups, std::string_view activation, Scalars, Text);
using Add = at::Tensor&(at::Tensor&, const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                        at::IntArrayRef padding, at::IntArrayRef stride, at::IntArrayRef dilation,
                        std::int64_t groups, std::string_view operation, std::optional<at::Scalar> factor,
                        Text activation, Scalars, Text);

struct Operators {
  c10::TypedOperatorHandle<Convolve> convolve;
  c10::TypedOperatorHandle<Add> add;
};

/// Nothing where this LibTorch lacks them or takes other arguments.
const std::optional<Operators>& operators() {
  static const std::optional<Operators> found = []() -> std::optional<Operators> {
    auto& dispatcher = c10::Dispatcher::singleton();
    const auto convolve = dispatcher.findSchema({"mkldnn::_convolution_pointwise", ""}),
               add = dispatcher.findSchema({"mkldnn::_convolution_pointwise_", "binary"});
    if (!convolve || !add) return {};
    try {
      return Operators{convolve->typed<Convolve>(), add->typed<Add>()};
    } catch (const c10::Error&) {
      return {};
    }
  }();
  return found;
}

/// Two equal numbers, for height and width.
class Pair {
 public:
  explicit Pair(std::int64_t number) : numbers_{number, number} {}
  operator at::IntArrayRef() const { return numbers_; }

 private:
  std::array<std::int64_t, 2> numbers_;
};

}  // namespace

at::Tensor packed_convolution(const at::Tensor& weight, std::int64_t stride, std::int64_t height,
                              std::int64_t width) {
  if (!weight.is_cpu() || weight.scalar_type() != at::kBFloat16 || !cpu_has_bfloat16() || !operators())
    return weight;
  const std::array<std::int64_t, 4> input{1, weight.size(1), height, width};
  return at::mkldnn_reorder_conv2d_weight(weight.to_mkldnn(), Pair(weight.size(3) / 2), Pair(stride), Pair(1),
                                          1, input);
}

at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                       std::int64_t stride) {
  const std::int64_t border = weight.size(3) / 2;
  if (!weight.is_mkldnn()) return at::conv2d(x, weight, bias, stride, border);
  return operators()->convolve.call(x, weight, bias, Pair(border), Pair(stride), Pair(1), 1, "none",
                                    Scalars(), "");
}

void add_convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, at::Tensor& sum) {
  if (!weight.is_mkldnn()) {
    sum.add_(convolution(x, weight, bias));
    return;
  }
  operators()->add.call(sum, x, weight, bias, Pair(weight.size(3) / 2), Pair(1), Pair(1), 1, "add", 1.0, {},
                        Scalars(), {});
}

}  // namespace digfusion
