// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The subcommands of the program `digfusion`. Each function adds its own to `app`; running it sets
// `exit_code`: 0 done, 1 failed (a message on standard error says why). What it throws becomes such a message
// in program.cpp, or, for a CLI::ParseError, the exit code 2: the command line can't be understood.
#pragma once

#include <CLI/CLI.hpp>

namespace digfusion {

void add_fuse_command(CLI::App& app, int& exit_code);
void add_score_command(CLI::App& app, int& exit_code);
void add_train_command(CLI::App& app, int& exit_code);
void add_evaluate_command(CLI::App& app, int& exit_code);
void add_info_command(CLI::App& app, int& exit_code);
void add_parameters_command(CLI::App& app, int& exit_code);
void add_rank_command(CLI::App& app, int& exit_code);
void add_reproduce_command(CLI::App& app, int& exit_code);
void add_bench_command(CLI::App& app, int& exit_code);
void add_verify_command(CLI::App& app, int& exit_code);
void add_selftest_command(CLI::App& app, int& exit_code);
void add_convert_command(CLI::App& app, int& exit_code);
void add_calibrate_command(CLI::App& app, int& exit_code);

}  // namespace digfusion
