// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The part of `digfusion bench` that concerns a GPU: whole frames from device memory to device memory, their
// parts by the stream's events, and the least that they can take, from ceilings measured in the same run. On
// a CPU it measures the kernels' twins, which is of use only for trying it out.
#pragma once

#include <string>
#include <vector>

#include "core/parameters/parameters.h"
#include "core/tools/size_text.h"

namespace digfusion::tools {

/// What the device does at its best.
struct Ceilings {
  double tera_flops;  ///< of a large matrix product, in the networks' precision
  double giga_bytes;  ///< a second, read and written, of a copy on the device
  double kernel_ms;   ///< of an empty kernel within a graph
};

/// The least time for layers: of each the larger of arithmetic and bytes, plus one kernel.
struct Floor {
  double arithmetic_ms = 0, kernels_ms = 0;
  double total() const { return arithmetic_ms + kernels_ms; }
};

/// The tables, as Markdown: ceilings; frames by size; parts of a frame; streams side by side; other networks.
/// `seconds` of each measurement at most. Throws what the Fuser throws, and Error(device) where there are no
/// kernels.
std::string device_tables(const Parameters& parameters, const std::vector<SizeText>& sizes, int frames,
                          double seconds);

}  // namespace digfusion::tools
