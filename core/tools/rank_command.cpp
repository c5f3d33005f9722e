// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <memory>

#include "core/tools/commands.h"
#include "core/tools/console.h"
#include "core/tools/parameter_options.h"
#include "core/tools/rank.h"
#include "core/tools/rank_page.h"
#include "core/tools/rank_scenes.h"
#include "core/tools/rank_video.h"

namespace digfusion {
namespace {

struct Options {
  explicit Options(CLI::App& command) : fusion(command, {"noise"}) {}  // --noise adds some here
  tools::RankOptions rank;
  std::vector<std::string> methods;
  std::string noise;
  bool alone = false, evidence = false, video = false, scenes = false;
  tools::ParameterOptions fusion;
};

/// "NAME:SETTINGS".
tools::RankMethod parse_method(const std::string& text, const Parameters& base) {
  const std::size_t colon = text.find(':');
  if (colon == 0 || colon == std::string::npos)
    throw CLI::ValidationError("--method-named: \"" + text +
                               "\" has no name; give NAME:parameter=value parameter=value …");
  return {text.substr(0, colon), tools::parse_settings(base, text.substr(colon + 1))};
}

/// The rule of method=gradient with its weights from everywhere.
std::vector<tools::RankMethod> evidence_methods(Parameters base) {
  base.method = Method::gradient;
  std::vector<tools::RankMethod> methods;
  for (const Choice& source : find_parameter("evidence")->choices) {
    base.evidence = EvidenceSource(source.value);
    methods.push_back({std::string("evidence=") + source.nick, base});
  }
  std::reverse(methods.begin(), methods.end());  // with information gains first
  return methods;
}

void rank(Options& options) {
  tools::RankOptions& rank = options.rank;
  const Parameters base = options.fusion.parameters();
  if (options.alone)
    rank.methods.push_back({"as given", base});
  else if (options.evidence)
    rank.methods = evidence_methods(base);
  else if (options.methods.empty())
    rank.methods = tools::rank_methods(base);
  for (const std::string& text : options.methods) rank.methods.push_back(parse_method(text, base));
  if (options.scenes) {
    tools::SceneOptions scenes;
    if (rank.limit > 0) scenes.frames = rank.limit;
    const std::vector<tools::SceneRow> rows = tools::rank_scenes(rank, scenes);
    if (!rank.quiet)
      tools::print(tools::scenes_markdown(rows) + "wrote " + (rank.output / "scenes.md").string() + "\n");
    return;
  }
  if (rank.data.empty()) throw CLI::RequiredError("--data");
  if (options.video) {
    const std::vector<tools::VideoRow> rows = tools::rank_video(rank);
    if (!rank.quiet)
      tools::print(tools::video_markdown(rows) + "wrote " + (rank.output / "video.md").string() + "\n");
    return;
  }
  if (!options.noise.empty()) {
    rank.noise = tools::parse_noise(options.noise);
    // After non-local means there is nothing left to take away.
    tools::RankMethod denoised = rank.methods.front();
    denoised.name = "non-local means, then " + denoised.name;
    denoised.parameters.noise = Word("0");
    denoised.denoise_first = true;
    rank.methods.push_back(std::move(denoised));
  }
  const std::vector<tools::RankTable> tables = tools::rank(rank);
  if (!rank.quiet)
    tools::print(tools::rank_markdown(tables.front()) + "wrote " + (rank.output / "rank.md").string() + "\n");
}

}  // namespace

void add_rank_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "rank", "Our methods and presets among the baselines and published scores, in every figure at once");
  command->footer(
      "Writes rank.md, rank.csv, rank_pictures.csv, rank.png (needs the program gnuplot) and the fused "
      "pictures. Without\n"
      "--alone, --all-evidence and --method-named every preset and every method by itself is measured.");
  auto options = std::make_shared<Options>(*command);
  command->add_option("--data", options->rank.data, "Folder with the subfolders visible and infrared")
      ->type_name("DIR");
  command
      ->add_option("--published", options->rank.published,
                   "CSV of other methods' scores, a line for each (picture and) method")
      ->type_name("FILE");
  command->add_option("--output", options->rank.output, "Folder for the results, made if missing")
      ->required()
      ->type_name("DIR");
  command->add_flag("--alone", options->alone, "Only what the parameters say");
  command
      ->add_flag("--all-evidence", options->evidence,
                 "Only method=gradient, with its weights from the denoiser, its student, Gaussians and "
                 "gradient energy")
      ->excludes("--alone");
  command
      ->add_option("--method-named", options->methods,
                   "Only this, over the parameters given; may be given several times")
      ->type_name("NAME:SETTINGS");
  command
      ->add_option(
          "--noise", options->noise,
          "Add white noise of these standard deviations (of 255) to the sources, and column noise to "
          "the infrared ones; non-local means before our first method is measured too")
      ->type_name("V,I[,C]");
  command
      ->add_flag(
          "--video", options->video,
          "Measure steadiness instead: the folders hold clips (video files, or pictures in the order of "
          "their names);\nwrites video.md and video.csv")
      ->excludes("--noise")
      ->excludes("--published");
  command
      ->add_flag("--scenes", options->scenes,
                 "Measure against the ideal of generated scenes instead, without --data; writes scenes.md, "
                 "scenes.csv\nand scenes.jpg")
      ->excludes("--noise")
      ->excludes("--published")
      ->excludes("--video");
  command
      ->add_option("--limit", options->rank.limit,
                   "At most so many pairs, spread evenly over the names, or frames of each clip or generated "
                   "pattern (0: 4);\n0 for all")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  command->add_flag("-q,--quiet", options->rank.quiet, "No progress and no table on standard output");
  command->callback([options, &exit_code] {
    rank(*options);
    exit_code = 0;
  });
}

}  // namespace digfusion
