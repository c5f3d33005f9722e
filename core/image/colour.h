// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between a picture in memory and its red, green and blue as a tensor, for channels=rgb. Black is -1 and
// white 1 in each, whatever the depth, range and matrix of the samples; what lies beyond is clipped.
#pragma once

#include <ATen/ATen.h>

#include "core/interface/interface.h"

namespace digfusion {

/// R', G', B' [1,3,H,W] float32, on the CPU. Subsampled chroma stands for each pixel of its block; a gray
/// picture has three equal channels. The picture is one that check_image() accepts.
at::Tensor read_rgb(const Image& image);

/// Writes `fused` ([1,3,H,W] float32 on -1..1, any device) to `output`, which has the layout of `visible`;
/// alpha is copied from there. Subsampled chroma is the mean of its block; a gray output gets the luma.
void write_rgb(const Image& visible, const at::Tensor& fused, const Image& output);

/// Mixes colours [1,3,H,W] (as write_rgb() takes them, on the CPU) into a coloured picture in memory:
/// `share` [1,1,H,W], 0..1, of each pixel is theirs. With `keep_luma` only the chroma is mixed, and what of a
/// colour doesn't fit into RGB beside that luma is clipped. Subsampled chroma takes the mean over its block;
/// samples with a share of 0 stay bit by bit.
void tint(const Image& picture, const at::Tensor& colours, const at::Tensor& share, bool keep_luma);

}  // namespace digfusion
