// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Findings as lines of JSON, one a picture. The schema is documented in docs/analyse.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "pipelines/analyse/regions.h"

namespace digfusion::pipelines {

/// What a line says besides the findings.
struct FrameFacts {
  std::chrono::system_clock::time_point time;  ///< wall clock
  double running_time = 0;                     ///< seconds
  std::uint64_t frame = 0;                     ///< number of the fused picture, from 0
  cv::Size size;
  bool fused = true;  ///< false: the visible picture alone
};

/// Without a line feed. Names that aren't UTF-8 are mended.
std::string json_line(const FrameFacts& facts, const Findings& findings);

/// 2026-11-21T12:36:08.123Z
std::string iso_8601(std::chrono::system_clock::time_point time);

}  // namespace digfusion::pipelines
