// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion reproduce`: the paper's experiments, each one command.
#include <algorithm>
#include <charconv>
#include <memory>

#include "core/tools/commands.h"
#include "core/tools/console.h"
#include "core/tools/lpips_options.h"
#include "core/tools/parameter_options.h"
#include "core/tools/reproduce_gain.h"
#include "core/tools/reproduce_tables.h"
#include "core/tools/reproduce_theorem.h"

namespace digfusion {
namespace {

struct Experiment {
  const char* name;
  const char* blurb;
  void (*run)(const tools::ReproduceOptions& options);
};

template <int table>
void run_table(const tools::ReproduceOptions& options) {
  tools::reproduce_table(table, options);
}

constexpr Experiment experiments[] = {
    {"table1", "visible and infrared pairs", run_table<1>},
    {"table2", "multi-focus and multi-exposure pairs", run_table<2>},
    {"table3", "distances of the information gain: l2, l1, ssim, none", run_table<3>},
    {"table4", "intervals of the information gain: S = 1, 5, 10, 20", run_table<4>},
    {"table5", "run times of DIG-15, -20, -25, -50 and of DDFM's EM", run_table<5>},
    {"figure5", "information gain of each modality over the timesteps, in the picture and three regions",
     tools::reproduce_figure5},
    {"theorem1",
     "whether the weights go with what a source contributes, on generated scenes (needs no --data)",
     tools::reproduce_theorem1},
};

struct Options {
  explicit Options(CLI::App& command) : fusion(command), lpips(command) {}
  std::string experiment;
  std::vector<std::string> regions;
  tools::ReproduceOptions reproduce;
  tools::ParameterOptions fusion;
  tools::LpipsOptions lpips;
};

/// "x,y,w,h".
tools::Region parse_region(const std::string& text) {
  int numbers[4] = {};
  const char* at = text.data();
  const char* end = at + text.size();
  for (int i = 0; i < 4; ++i) {
    const auto [stop, error] = std::from_chars(at, end, numbers[i]);
    const bool last = i == 3;
    if (error != std::errc() || numbers[i] < (i < 2 ? 0 : 1) ||
        (last ? stop != end : stop == end || *stop != ','))
      throw CLI::ValidationError("--region: \"" + text + "\" is no region; give x,y,width,height in pixels");
    at = last ? stop : stop + 1;
  }
  return {numbers[0], numbers[1], numbers[2], numbers[3]};
}

void reproduce(Options& options) {
  const auto experiment = std::find_if(std::begin(experiments), std::end(experiments),
                                       [&](const Experiment& e) { return options.experiment == e.name; });
  tools::ReproduceOptions& reproduce = options.reproduce;
  if (reproduce.data.empty() && options.experiment != "theorem1") throw CLI::RequiredError("--data");
  if (!options.regions.empty() && options.regions.size() != 3)
    throw CLI::ValidationError("--region: give three regions, or none to have them chosen");
  for (const std::string& text : options.regions) reproduce.regions.push_back(parse_region(text));
  Parameters paper;
  if (const auto message = set(paper, "preset", "paper")) throw CLI::ValidationError(*message);
  reproduce.parameters = options.fusion.parameters(paper);
  reproduce.lpips = options.lpips.distance();
  experiment->run(reproduce);
  if (!reproduce.quiet)
    tools::print("wrote " + (reproduce.output / (options.experiment + ".md")).string() + "; it ran " +
                 tools::model_note(reproduce.parameters) + "\n");
}

}  // namespace

void add_reproduce_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "reproduce", "The experiments of the paper (Dig2DIG, arXiv 2503.18627), as CSV, Markdown and PNG");
  std::string footer = "Experiments:\n";
  std::vector<std::string> names;
  for (const Experiment& experiment : experiments) {
    names.emplace_back(experiment.name);
    footer += "  " + names.back() + std::string(10 - names.back().size(), ' ') + experiment.blurb + "\n";
  }
  command->footer(
      footer +
      "The parameters are those of preset=paper unless others are given. A run that was interrupted goes on\n"
      "where it was when it is started again (table5, whose times belong together, starts anew). PNG needs "
      "the\n"
      "program gnuplot. docs/reproduce.md tells more.");
  auto options = std::make_shared<Options>(*command);
  command->add_option("experiment", options->experiment, "Which one")
      ->required()
      ->check(CLI::IsMember(names))
      ->type_name("NAME");
  command
      ->add_option("--data", options->reproduce.data,
                   "Folder with the subfolders visible and infrared (table2: a and b, over and under), or "
                   "folder of such "
                   "folders")
      ->type_name("DIR");
  command->add_option("--output", options->reproduce.output, "Folder for the results, made if missing")
      ->required()
      ->type_name("DIR");
  command
      ->add_option(
          "--limit", options->reproduce.limit,
          "At most so many pairs of each data set, spread evenly over the names; 0 for all. For theorem1: "
          "scenes, 0 for 16")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  command
      ->add_option("--size", options->reproduce.size,
                   "Longest side, pixels; larger pictures are scaled down, 0 for none. For theorem1: the "
                   "scenes' width, 0 "
                   "for 320")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  command->add_option("--region", options->regions, "Three regions for figure5, instead of chosen ones")
      ->type_name("X,Y,W,H")
      ->expected(1, 3)
      ->delimiter(' ');
  command->add_flag("-q,--quiet", options->reproduce.quiet, "No progress and no last line");
  command->callback([options, &exit_code] {
    reproduce(*options);
    exit_code = 0;
  });
}

}  // namespace digfusion
