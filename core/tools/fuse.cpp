// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion fuse`: a picture, or a folder of them.
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

#include "core/interface/interface.h"
#include "core/tools/commands.h"
#include "core/tools/console.h"
#include "core/tools/fuse_pictures.h"
#include "core/tools/parameter_options.h"

namespace digfusion {
namespace {

using tools::number_text;

struct Options {
  explicit Options(CLI::App& command) : fusion(command) {}
  std::string visible, infrared, output;
  bool quiet = false;
  tools::ParameterOptions fusion;
};

void print_warning(void*, LogLevel level, const char* message) {
  if (level == LogLevel::warning) std::fprintf(stderr, "digfusion: warning: %s\n", message);
}

void print_statistics(const Statistics& s, std::size_t fused, std::size_t total) {
  std::string times;
  for (int i = 0; i + 1 < s.stages; ++i)
    times +=
        (times.empty() ? "" : ", ") + std::string(s.stage[i].name) + " " + number_text(s.stage[i].mean_ms, 1);
  tools::print("fused " + std::to_string(fused) + " of " + std::to_string(total) + " pictures on " +
               s.device + " in " + s.precision + " with " + s.model + ": " +
               number_text(s.stages > 0 ? s.stage[s.stages - 1].mean_ms : 0, 1) + " ms a picture (" + times +
               ")\n");
}

int fuse(const Options& options) {
  const Parameters parameters = options.fusion.parameters();
  const std::vector<tools::FusionJob> jobs =
      tools::plan_fusion(options.visible, options.infrared, options.output);
  Status status;
  const std::unique_ptr<StreamFuser> fuser(digfusion_create(abi_version, sizeof(Parameters), &status));
  if (fuser) status = fuser->load(parameters, &print_warning, nullptr);
  if (!status.ok()) throw std::runtime_error(status.message);

  std::size_t failed = 0;
  {
    tools::Progress progress("pictures", jobs.size(), !options.quiet);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      try {
        tools::fuse_files(*fuser, jobs[i]);
      } catch (const std::exception& error) {
        progress.clear();
        std::fprintf(stderr, "digfusion: %s\n", error.what());
        ++failed;
      }
      progress.show(i + 1);
    }
  }
  if (!options.quiet && failed < jobs.size())
    print_statistics(fuser->statistics(), jobs.size() - failed, jobs.size());
  return failed == 0 ? 0 : 1;
}

}  // namespace

void add_fuse_command(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("fuse", "Fuse a visible and an infrared picture, or two folders of them");
  command->footer(
      "The result has the visible picture's size, depth (8 or 16 bit), colour and alpha; the infrared "
      "picture is\n"
      "brought to its size. Folders are paired by equal stem (the name without its ending), and the results "
      "have the\n"
      "visible pictures' names, but PNG for JPEG. A preset is applied before the other parameters, whatever "
      "the order.");
  auto options = std::make_shared<Options>(*command);
  command
      ->add_option("--visible", options->visible, "Picture or folder: PNG, JPEG, TIFF or BMP, gray or colour")
      ->required()
      ->type_name("PATH");
  command
      ->add_option("--infrared", options->infrared, "Picture or folder; of a colour picture the luma counts")
      ->required()
      ->type_name("PATH");
  command
      ->add_option(
          "--output", options->output,
          "Picture (its ending tells the format) or folder (made if missing); files there are overwritten")
      ->required()
      ->type_name("PATH");
  command->add_flag("-q,--quiet", options->quiet, "No progress and no summary; errors and warnings only");
  command->callback([options, &exit_code] { exit_code = fuse(*options); });
}

}  // namespace digfusion
