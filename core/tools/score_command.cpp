// SPDX-License-Identifier: LGPL-2.1-or-later
#include <memory>

#include "core/tools/commands.h"
#include "core/tools/lpips_options.h"
#include "core/tools/score.h"

namespace digfusion {
namespace {

struct Options {
  explicit Options(CLI::App& command) : lpips(command) {}
  tools::ScoreOptions score;
  tools::LpipsOptions lpips;
};

}  // namespace

void add_score_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("score", "Fusion metrics of a folder of fused pictures, as CSV");
  command->footer(
      "The three folders' pictures are paired by equal stem and must be of equal size. Columns: method, "
      "picture and the\n"
      "metrics of docs/algorithm.md; a row for each picture, then one named \"mean\" for each method.");
  auto options = std::make_shared<Options>(*command);
  command->add_option("--visible", options->score.visible, "Folder of visible pictures")
      ->required()
      ->type_name("DIR");
  command->add_option("--infrared", options->score.infrared, "Folder of infrared pictures")
      ->required()
      ->type_name("DIR");
  command->add_option("--fused", options->score.fused, "Folder of fused pictures")
      ->required()
      ->type_name("DIR");
  command->add_option("--csv", options->score.csv, "File to write; without it, standard output")
      ->type_name("FILE");
  command->add_flag("--baselines", options->score.baselines,
                    "Score average, maximum and Laplacian pyramid of the same pairs too");
  command->add_option("--threads", options->score.threads, "Pictures at the same time; 0 for one each core")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
  command->callback([options, &exit_code] {
    options->score.lpips = options->lpips.distance();
    exit_code = tools::run_score(options->score);
  });
}

}  // namespace digfusion
