// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <vector>

namespace digfusion::tools {

struct ProcessResult {
  int exit_code = -1;  ///< or 128 + the signal that ended it
  std::string out, err;
};

/// Runs a program to its end, with standard input empty. `command[0]` is looked up in PATH unless it has a
/// slash. Throws std::system_error when it can't be started.
ProcessResult run_process(const std::vector<std::string>& command);

}  // namespace digfusion::tools
