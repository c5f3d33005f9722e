// SPDX-License-Identifier: LGPL-2.1-or-later
//
// digfusion-analyse: finds people and motion in the fused picture of two cameras.
#include "pipelines/analyse/analysis.h"
#include "pipelines/common/program.h"

int main(int argc, char** argv) {
  using namespace digfusion::pipelines;
  AnalyseOptions options;
  return run_program(
      argc, argv, program_name,
      "Finds people and motion in the fused picture of a visible and an infrared camera, and says so in "
      "lines "
      "of JSON.",
      [&options](CLI::App& app) { add_analyse_options(app, options); },
      [&options](const CommonOptions& common) {
        return options.report.empty() ? run_analysis(options, common) : run_report(options, common);
      });
}
