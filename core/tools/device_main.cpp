// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The subcommands that check a machine, as a program of its own for machines that have LibTorch and a driver
// but neither OpenCV's codecs nor GStreamer.
#include "core/tools/program.h"

int main(int argc, char** argv) {
  using namespace digfusion;
  constexpr tools::AddCommand commands[] = {add_selftest_command, add_bench_command, add_info_command,
                                            add_parameters_command};
  return tools::run_program(argc, argv, commands);
}
