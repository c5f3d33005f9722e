// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion fuse`: a picture, or a folder of them.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/interface/interface.h"
#include "core/interface/stages.h"
#include "core/tools/commands.h"
#include "core/tools/console.h"
#include "core/tools/fuse_pictures.h"
#include "core/tools/output_file.h"
#include "core/tools/parameter_options.h"

namespace digfusion {
namespace {

using tools::number_text;

struct Options {
  explicit Options(CLI::App& command) : fusion(command) {}
  std::string visible, infrared, output, report;
  std::vector<std::string> inputs;
  std::string task = task_table().front().name;
  bool quiet = false;
  tools::ParameterOptions fusion;
};

/// `name` is one of task_names().
const TaskSpec& task_of(std::string_view name) {
  return *std::find_if(task_table().begin(), task_table().end(),
                       [=](const TaskSpec& spec) { return spec.name == name; });
}

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const TaskSpec& spec : task_table()) names.push_back(spec.name);
  return names;
}

std::string task_description() {
  std::string text = "What the pictures are, which sets parameters before --preset and the others do";
  for (const TaskSpec& spec : task_table()) text += std::string("\n  ") + spec.name + ": " + spec.blurb;
  return text;
}

void print_warning(void*, LogLevel level, const char* message) {
  if (level == LogLevel::warning) std::fprintf(stderr, "digfusion: warning: %s\n", message);
}

double total_ms(const Statistics& s) { return s.stages > 0 ? s.stage[s.stages - 1].mean_ms : 0; }

void print_statistics(const Statistics& s, std::size_t fused, std::size_t total) {
  std::string times;
  for (int i = 0; i + 1 < s.stages; ++i)
    times +=
        (times.empty() ? "" : ", ") + std::string(s.stage[i].name) + " " + number_text(s.stage[i].mean_ms, 1);
  tools::print("fused " + std::to_string(fused) + " of " + std::to_string(total) + " pictures on " +
               s.device + " in " + s.precision + " with " + s.model + ": " + number_text(total_ms(s), 1) +
               " ms a picture (" + times + "), " + std::to_string(s.evaluations) +
               " evaluations of the network for the last one\n");
}

nlohmann::json settings_json(const Parameters& parameters) {
  nlohmann::json settings;
  for (const ParameterSpec& spec : parameter_table())
    std::visit([&](const auto& value) { settings[spec.name] = value; },
               spec.is_choice() ? Value(to_text(spec, spec.get(parameters))) : spec.get(parameters));
  return settings;
}

/// What `--report` writes, as it grows.
class Report {
 public:
  Report(const Options& options, const Parameters& parameters)
      : json_{{"task", options.task},
              {"parameters", settings_json(parameters)},
              {"pictures", nlohmann::json::array()}} {}

  void fused(const tools::FusionJob& job, const Statistics& statistics, double milliseconds) {
    nlohmann::json& row = add(job);
    row["evaluations"] = statistics.evaluations;
    row["milliseconds"] = milliseconds;
  }
  void failed(const tools::FusionJob& job, const char* error) { add(job)["error"] = error; }

  void write(const std::string& file, const Statistics& statistics) {
    json_["device"] = statistics.device;
    json_["precision"] = statistics.precision;
    json_["model"] = statistics.model;
    // File names needn't be UTF-8.
    const std::string text = json_.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    tools::write_file(file, text.data(), text.size());
  }

 private:
  nlohmann::json& add(const tools::FusionJob& job) {
    nlohmann::json sources = nlohmann::json::array();
    for (const auto& source : job.sources) sources.push_back(source.string());
    return json_["pictures"].emplace_back(
        nlohmann::json{{"inputs", std::move(sources)}, {"output", job.output.string()}});
  }

  nlohmann::json json_;
};

std::vector<std::filesystem::path> inputs_of(const Options& options) {
  if (!options.inputs.empty()) return {options.inputs.begin(), options.inputs.end()};
  if (options.visible.empty()) throw CLI::ValidationError("give --visible and --infrared, or --inputs");
  return {options.visible, options.infrared};
}

int fuse(const Options& options) {
  const TaskSpec& task = task_of(options.task);
  const Parameters parameters = options.fusion.parameters(parameters_of(task.task));
  const std::vector<tools::FusionJob> jobs = tools::plan_fusion(inputs_of(options), options.output);
  if (!options.report.empty()) tools::check_output(options.report);
  Status status;
  const std::unique_ptr<StreamFuser> fuser(digfusion_create(abi_version, sizeof(Parameters), &status));
  if (fuser) status = fuser->load(parameters, &print_warning, nullptr);
  if (!status.ok()) throw std::runtime_error(status.message);

  std::size_t failed = 0;
  Report report(options, parameters);
  {
    tools::Progress progress("pictures", jobs.size(), !options.quiet);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      try {
        Stopwatch watch;
        tools::fuse_files(*fuser, jobs[i], task, parameters);
        report.fused(jobs[i], fuser->statistics(), watch.lap());
      } catch (const std::exception& error) {
        progress.clear();
        std::fprintf(stderr, "digfusion: %s\n", error.what());
        report.failed(jobs[i], error.what());
        ++failed;
      }
      progress.show(i + 1);
    }
  }
  if (!options.report.empty()) report.write(options.report, fuser->statistics());
  if (!options.quiet && failed < jobs.size())
    print_statistics(fuser->statistics(), jobs.size() - failed, jobs.size());
  return failed == 0 ? 0 : 1;
}

}  // namespace

void add_fuse_command(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("fuse", "Fuse a visible and an infrared picture, or other pictures of one scene");
  command->footer(
      "With --task visible-infrared the result has the first picture's size, depth (8 or 16 bit), colour and "
      "alpha, and\n"
      "the others are brought to its size. With the other tasks all have one size and give their colour. "
      "Folders are\n"
      "paired by equal stem (the name without its ending), but for a _A, _B, … at the end; the pictures of "
      "one folder\n"
      "belong together by these endings. Results have the stems' names, and the first picture's format, but "
      "PNG for JPEG.\n"
      "A preset is applied before the other parameters, whatever the order.");
  auto options = std::make_shared<Options>(*command);
  CLI::Option* visible = command
                             ->add_option("--visible", options->visible,
                                          "Picture or folder: PNG, JPEG, TIFF or BMP, gray or colour")
                             ->type_name("PATH");
  CLI::Option* infrared = command
                              ->add_option("--infrared", options->infrared,
                                           "Picture or folder; of a colour picture the luma counts")
                              ->type_name("PATH");
  visible->needs(infrared);
  infrared->needs(visible);
  command
      ->add_option("--inputs", options->inputs,
                   "Instead of these: 2 to " + std::to_string(max_sources) +
                       " pictures or folders of them, or one folder of pictures named x_A, x_B, …")
      ->type_name("PATH")
      ->excludes(visible)
      ->excludes(infrared);
  command->add_option("--task", options->task, task_description())
      ->check(CLI::IsMember(task_names()).description(""))
      ->type_name("TASK")
      ->capture_default_str();
  command
      ->add_option(
          "--output", options->output,
          "Picture (its ending tells the format) or folder (made if missing); files there are overwritten")
      ->required()
      ->type_name("PATH");
  command
      ->add_option("--report", options->report,
                   "JSON file to write: settings, device, model; evaluations of the network and time of each "
                   "picture")
      ->type_name("FILE");
  command->add_flag("-q,--quiet", options->quiet, "No progress and no summary; errors and warnings only");
  command->callback([options, &exit_code] { exit_code = fuse(*options); });
}

}  // namespace digfusion
