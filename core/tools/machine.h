// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

namespace digfusion::tools {

/// What timings depend on.
struct Machine {
  std::string processor;     ///< "Intel(R) Xeon(R) Processor", or "unknown"
  int cores;                 ///< that this process may use
  std::string instructions;  ///< the vector extensions that matter here: "avx2 avx512f avx512_bf16 amx_bf16"
  double load;               ///< mean number of runnable threads over the last minute, -1 when unknown
};

Machine this_machine();

/// "2026-11-21", local time.
std::string today();

}  // namespace digfusion::tools
