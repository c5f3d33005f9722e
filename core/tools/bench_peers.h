// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Learned fusion networks of others, from the layer tables of their papers, with random weights: how long one
// picture takes doesn't depend on them. They are here to be timed beside ours, not to fuse.
#pragma once

#include <string>
#include <vector>

#include "core/parameters/parameters.h"

namespace digfusion::tools {

struct PeerTime {
  std::string name;         ///< as its authors call it
  std::string source;       ///< paper
  double parameters = 0;    ///< weights
  double gflop = 0;         ///< 10⁹ floating-point operations for one fused picture, convolutions only
  double milliseconds = 0;  ///< median for one fused picture
};

/// DenseFuse, IFCNN and SeAFusion on a pair of this size, with the device, precision and threads of the
/// parameters, channels last; medians over `seconds` in all.
std::vector<PeerTime> measure_peers(const Parameters& parameters, int width, int height, double seconds);

}  // namespace digfusion::tools
