// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion info`: what is in a model file.
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/denoiser/model_file.h"
#include "core/denoiser/registry.h"
#include "core/tools/commands.h"
#include "core/tools/console.h"

namespace digfusion {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t shown_width = 640, shown_height = 480;

Json describe(const std::string& path) {
  const ModelFile file = read_model_file(path);
  std::int64_t parameters = 0;
  for (const auto& [name, weight] : file.weights) parameters += weight.numel();
  Json json{{"file", path},
            {"bytes", std::filesystem::file_size(path)},
            {"kind", name_of(file.kind)},
            {"network", Json::parse(unet_config_to_text(file.config))},
            {"parameters", parameters},
            {"multiply_adds_640x480", unet_multiply_adds(file.config, shown_height, shown_width)},
            {"size_multiple", file.config.multiple()}};
  if (file.kind == ModelKind::student) json["timesteps"] = file.timesteps;
  if (!file.training.empty()) {
    const Json record = Json::parse(file.training, nullptr, false);
    json["training"] = record.is_discarded() ? Json(file.training) : record;
  }
  return json;
}

std::string plain(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

std::string row(const std::string& name, const std::string& value, int indent = 2) {
  const std::string start = std::string(static_cast<std::size_t>(indent), ' ') + name;
  return start + std::string(start.size() < 18 ? 18 - start.size() : 1, ' ') + value + "\n";
}

std::string network_text(const Json& n) {
  std::string text = "U-Net: ", at;
  int scale = n["unshuffle"];
  for (const Json& width : n["widths"]) {
    text += (at.empty() ? "" : ", ") + plain(width);
    at += (at.empty() ? "1/" : ", 1/") + std::to_string(scale);
    scale *= 2;
  }
  text += " channels at " + at + " of the picture's size, " + plain(n["blocks"]) +
          " residual blocks a scale, " + plain(n["middle_blocks"]) + " at the coarsest, " +
          plain(n["outputs"]) + " outputs";
  if (n["embedding"] != 0) text += ", told the noise level through " + plain(n["embedding"]) + " features";
  return text;
}

std::string text_of(const Json& model) {
  std::string text =
      plain(model["file"]) + "\n" + row("kind", plain(model["kind"])) +
      row("network", network_text(model["network"])) +
      row("parameters", tools::grouped(model["parameters"])) +
      row("multiply-adds",
          tools::number_text(model["multiply_adds_640x480"].get<double>() / 1e9, 2) + " G for 640x480");
  if (model.contains("timesteps")) text += row("timesteps", plain(model["timesteps"]));
  text += row("file size", tools::grouped(model["bytes"]) + " bytes");
  if (!model.contains("training")) return text + row("training", "no record");
  if (!model["training"].is_object()) return text + row("training", plain(model["training"]));
  text += "  training\n";
  for (const auto& [key, value] : model["training"].items()) text += row(key, plain(value), 4);
  return text;
}

}  // namespace

void add_info_command(CLI::App& app, int& exit_code) {
  struct Options {
    std::vector<std::string> files;
    bool json = false;
  };
  CLI::App* command = app.add_subcommand("info",
                                         "What is in a model file: architecture, parameters, cost, how it "
                                         "was trained; nothing in it is executed");
  auto options = std::make_shared<Options>();
  command->add_option("MODEL", options->files, "Safetensors files; none: both embedded models");
  command->add_flag("--json", options->json, "As JSON: an array with an object for each model");
  command->callback([options, &exit_code] {
    std::vector<std::string> files = options->files;
    if (files.empty()) files = {embedded_model("denoiser"), embedded_model("student")};
    Json models = Json::array();
    for (const std::string& file : files) models.push_back(describe(file));
    std::string text;
    if (options->json)
      text = models.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    else
      for (const Json& model : models) text += text_of(model);
    tools::print(text);
    exit_code = 0;
  });
}

}  // namespace digfusion
