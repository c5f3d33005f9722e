// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion convert`: a checkpoint of any format as safetensors that opens alone.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/denoiser/adm_denoiser.h"
#include "core/denoiser/model_file.h"
#include "core/tools/commands.h"
#include "core/tools/output_file.h"
#include "core/tools/precisions.h"
#include "core/tools/random_model.h"

namespace digfusion {
namespace {

struct Options {
  std::vector<std::string> files;  ///< input and output, or with --random the output alone
  std::string config, precision, random;
  std::uint64_t seed = 1;
};

void convert(const std::string& input, const std::string& output, const std::string& config,
             std::optional<at::ScalarType> precision) {
  const Checkpoint checkpoint = read_checkpoint(input);
  if (!is_model_file(checkpoint))
    if (const auto adm = adm_file(checkpoint, input, config)) return write_adm_file(output, *adm, precision);
  (void)model_file(checkpoint, input);  // says what is wrong with it
  write_safetensors(output, to_write(checkpoint.tensors, precision), checkpoint.metadata);
}

void run(const Options& o) {
  const std::optional<at::ScalarType> precision =
      o.precision.empty() ? std::nullopt : std::optional(tools::precisions.at(o.precision));
  const bool random = !o.random.empty();
  if (o.files.size() != (random ? 1 : 2))
    throw CLI::ValidationError(random ? "--random takes one file, the one to write"
                                      : "give two files: the one to read and the one to write");
  const std::string& output = o.files.back();
  tools::check_output(output);
  if (random) return tools::write_random_model(o.random, output, o.seed, precision.value_or(at::kFloat));
  std::error_code error;
  if (std::filesystem::equivalent(o.files[0], output, error))
    throw CLI::ValidationError("the file to write is the one to read: " + output);
  convert(o.files[0], output, o.config, precision);
}

}  // namespace

void add_convert_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "convert",
      "Writes a model file of any format (PyTorch zip, PyTorch before 1.6, safetensors) as safetensors that "
      "opens without a JSON file beside it");
  command->add_option("FILES", options->files, "The file to read, and the one to write")
      ->required()
      ->expected(1, 2);
  command
      ->add_option("--precision", options->precision,
                   "Precision of the numbers; if not given, that of the file")
      ->check(CLI::IsMember(tools::precisions));
  command->add_option(
      "--config", options->config,
      "JSON of create_model's arguments; if not given, the file read with .json for its extension, where "
      "there is one");
  command
      ->add_option("--random", options->random,
                   "Write a network with random weights instead, for measuring: adm-256 has the shape of "
                   "256x256_diffusion_uncond.pt, adm-tiny is a small one of its kind")
      ->check(CLI::IsMember(tools::random_models()));
  command->add_option("--seed", options->seed, "Seed of the random weights")->capture_default_str();
  command->callback([options, &exit_code] {
    run(*options);
    exit_code = 0;
  });
}

}  // namespace digfusion
