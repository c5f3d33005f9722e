// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <span>

#include "core/tools/commands.h"

namespace digfusion::tools {

using AddCommand = void (*)(CLI::App& app, int& exit_code);

/// The main() of a program with these subcommands: reads the command line, runs one of them, tells errors.
/// Returns the exit code.
int run_program(int argc, char** argv, std::span<const AddCommand> commands);

}  // namespace digfusion::tools
