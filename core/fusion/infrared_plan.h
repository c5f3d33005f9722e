// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How kernels bring one infrared picture of a frame to the visible picture's grid: the tables and buffers of
// place_infrared() for one size and place. core/image/fit.h and remap.h are the definition.
#pragma once

#include <ATen/ATen.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/device/backend.h"
#include "core/image/placement.h"
#include "core/image/remap.h"
#include "core/interface/interface.h"

namespace digfusion {

/// What becomes of a picture that isn't simply read on the visible picture's grid. Borrowed, for one frame.
struct InfraredWork {
  const float* curve = nullptr;       ///< luma by sample, raw_values numbers; null: as read_luma()
  Placement placement{};              ///< on the visible picture's grid, without `table`; empty: all of it
  const RemapTable* table = nullptr;  ///< for these sizes
};

/// The tables for a picture that is scaled along an axis, as at::_upsample_bilinear2d_aa() weighs it.
struct ScalingTable {
  ScalingTable(int from, int to);
  std::vector<int> first, count;
  std::vector<float> weight;  ///< [to, most]
  int most;
};

class InfraredPlan {
 public:
  /// Everything on which memory and graphs depend. Of a picture that needs no plan: nothing.
  static std::vector<std::int64_t> key_of(const Image& infrared, const Image& visible,
                                          const InfraredWork& work);

  /// Allocates, and uploads what never changes. The picture is source `source` of `arguments`, on the device.
  InfraredPlan(Backend& backend, const Image& infrared, const Image& visible, const InfraredWork& work,
               const FrameArguments* arguments, int source);

  /// Before each frame's kernels and outside of graphs: uploads the registration's table where it's another
  /// than before. In the stream, so that frames which were started before keep theirs.
  void update(Backend& backend, const InfraredWork& work);

  const InfraredPlacing& placing() const { return placing_; }

 private:
  InfraredPlacing placing_{};
  at::Tensor memory_;          // of all of placing_
  at::Tensor tables_;          // scaling, in the host's memory
  at::Tensor places_, share_;  // what was uploaded; held, so that no other has their address
};

}  // namespace digfusion
