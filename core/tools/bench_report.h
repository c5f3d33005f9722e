// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The tables of `digfusion bench`, for a terminal and for docs/performance.md: Markdown with aligned columns.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/tools/bench_measure.h"
#include "core/tools/bench_peers.h"
#include "core/tools/machine.h"

namespace digfusion::tools {

/// Frames a second of a usual camera, at which the use of the processor is measured.
inline constexpr int paced_rate = 25;

/// One run at one size.
struct BenchResult {
  std::string settings;  ///< as given: "preset=paper"
  int width = 0, height = 0;
  CoreTimes core;
  NetworkTimes network;
  double plane_copy_ms = 0;  ///< measure_plane_copy()
  std::optional<ElementTimes> element;
  std::optional<ElementTimes> paced;  ///< at paced_rate; nothing where the element is slower

  std::string size() const { return std::to_string(width) + "x" + std::to_string(height); }
  /// Time of the network in a frame, by its time alone and the frame's number of evaluations.
  double network_milliseconds() const {
    return network.milliseconds / network.batch * static_cast<double>(core.statistics.evaluations);
  }
  double floor_milliseconds() const {
    return network.floor_milliseconds() / network.batch * static_cast<double>(core.statistics.evaluations);
  }
};

struct PeerResult {
  std::string size;  ///< BenchResult::size()
  PeerTime time;
};

/// "defaults" where nothing is set.
std::string name_of_run(const BenchResult& result);

/// The tables: frames, their parts, networks, convolutions, and peers where there are any.
std::string bench_tables(const std::vector<BenchResult>& results, const std::vector<PeerResult>& peers);

/// docs/performance.md: where, when and how it was measured, what the columns mean, and the tables.
std::string bench_page(const std::vector<BenchResult>& results, const std::vector<PeerResult>& peers,
                       const Machine& machine, int threads);

}  // namespace digfusion::tools
