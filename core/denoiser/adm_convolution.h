// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Convolutions of a large network on a CPU that computes bfloat16. LibTorch's oneDNN brings a weight into the
// layout of its kernels at each call, which for wide layers over few pixels takes longer than the
// convolution. Here that is done once, by what LibTorch has for its own compiled graphs.
#pragma once

#include <ATen/ATen.h>

namespace digfusion {

/// The weight [out,in,k,k] in oneDNN's layout for pictures of this height and width, of any batch; other
/// sizes are computed as well. The weight itself where it isn't bfloat16 on a CPU that computes that at full
/// rate, or LibTorch can't. As large as before. Only convolution() and add_convolution() take the result.
at::Tensor packed_convolution(const at::Tensor& weight, std::int64_t stride, std::int64_t height,
                              std::int64_t width);

/// conv2d with a border of zeros as wide as half the kernel. x channels_last, the weight packed or not.
at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                       std::int64_t stride = 1);

/// sum += convolution(x), rounded once where the weight is packed.
void add_convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, at::Tensor& sum);

}  // namespace digfusion
