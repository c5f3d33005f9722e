// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/program.h"

int main(int argc, char** argv) {
  using namespace digfusion;
  constexpr tools::AddCommand commands[] = {
      add_fuse_command,     add_score_command,      add_train_command,  add_evaluate_command,
      add_info_command,     add_parameters_command, add_rank_command,   add_reproduce_command,
      add_bench_command,    add_selftest_command,   add_verify_command, add_convert_command,
      add_calibrate_command};
  return tools::run_program(argc, argv, commands);
}
