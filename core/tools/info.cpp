// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion info`: what is in a model file.
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/denoiser/adm_denoiser.h"
#include "core/denoiser/model_file.h"
#include "core/denoiser/registry.h"
#include "core/device/device.h"
#include "core/tools/commands.h"
#include "core/tools/console.h"

namespace digfusion {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t shown_width = 640, shown_height = 480;

/// A guided-diffusion checkpoint, as far as its tensors and what is beside it tell.
Json describe(const AdmFile& adm, CheckpointFormat format, const std::string& path, std::int64_t parameters) {
  const AdmConfig& c = adm.config;
  std::string precision;  // of the convolutions, which are nearly everything
  for (const auto& [name, weight] : adm.weights)
    if (weight.sizes.size() == 4) precision = name_of(weight.type);
  return {{"file", path},
          {"bytes", std::filesystem::file_size(path)},
          {"kind", "guided-diffusion"},
          {"format", name_of(format)},
          {"precision", precision},
          {"network", Json::parse(adm_config_to_text(c))},
          {"configuration", adm.config_source.empty()
                                ? "inferred; heads, attention order and noise schedule assumed"
                                : adm.config_source},
          {"parameters", parameters},
          {"multiply_adds_640x480", adm_multiply_adds(c, shown_height, shown_width)},
          {"size_multiple", c.multiple()}};
}

Json describe(const std::string& path, const std::string& config) {
  const Checkpoint checkpoint = read_checkpoint(path);
  std::int64_t parameters = 0;
  for (const auto& [name, weight] : checkpoint.tensors) parameters += weight.numel();
  if (!is_model_file(checkpoint))
    if (const auto adm = adm_file(checkpoint, path, config))
      return describe(*adm, checkpoint.format, path, parameters);
  const ModelFile file = model_file(checkpoint, path);
  Json json{{"file", path},
            {"bytes", std::filesystem::file_size(path)},
            {"kind", name_of(file.kind)},
            {"network", Json::parse(unet_config_to_text(file.config))},
            {"parameters", parameters},
            {"multiply_adds_640x480", unet_multiply_adds(file.config, shown_height, shown_width)},
            {"size_multiple", file.config.multiple()}};
  if (file.kind != ModelKind::denoiser) json["timesteps"] = file.timesteps;
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

std::string adm_text(const Json& n) {
  std::string text = "U-Net: ", attention;
  std::int64_t scale = 1;
  for (const Json& multiplier : n["channel_mult"]) {
    text += (scale > 1 ? ", " : "") +
            std::to_string(std::llround(multiplier.get<double>() * n["num_channels"].get<double>()));
    scale *= 2;
  }
  text += " channels at 1/1 to 1/" + std::to_string(scale / 2) + " of the picture's size, " +
          plain(n["num_res_blocks"]) + " residual blocks a level";
  for (const Json& resolution : n["attention_resolutions"])
    attention += (attention.empty() ? "" : ", ") + std::string("1/") +
                 std::to_string(n["image_size"].get<std::int64_t>() / resolution.get<std::int64_t>());
  if (!attention.empty()) text += ", attention at " + attention;
  const bool by_width = n["num_head_channels"].get<int>() > 0;
  text += by_width ? ", " + plain(n["num_head_channels"]) + " channels a head"
                   : ", " + plain(n["num_heads"]) + " heads";
  text += n["use_new_attention_order"].get<bool>() ? " (new order)" : " (legacy order)";
  if (n["use_scale_shift_norm"].get<bool>()) text += ", scale and shift";
  if (n["resblock_updown"].get<bool>()) text += ", residual blocks between the levels";
  return text + (n["learn_sigma"].get<bool>() ? ", learned variance" : ", fixed variance");
}

std::string network_text(const Json& n) {
  if (n.contains("num_channels")) return adm_text(n);
  std::string text = "U-Net: ", at;
  int scale = n["unshuffle"];
  for (const Json& width : n["widths"]) {
    text += (at.empty() ? "" : ", ") + plain(width);
    at += (at.empty() ? "1/" : ", 1/") + std::to_string(scale);
    scale *= 2;
  }
  const std::string blocks =
      n.contains("down_blocks") && n.contains("up_blocks")
          ? "residual blocks " + plain(n["down_blocks"]) + " down and " + plain(n["up_blocks"]) + " up"
          : plain(n["blocks"]) + " residual blocks a scale";
  text += " channels at " + at + " of the picture's size, " + blocks + ", " + plain(n["middle_blocks"]) +
          " at the coarsest, " + plain(n["outputs"]) + " outputs";
  if (n["embedding"] != 0) text += ", told the noise level through " + plain(n["embedding"]) + " features";
  if (n.contains("told")) text += ", told the noise level in " + plain(n["told"]) + " numbers";
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
  for (const char* key : {"format", "precision", "configuration"})
    if (model.contains(key)) text += row(key, plain(model[key]));
  text += row("file size", tools::grouped(model["bytes"]) + " bytes");
  if (model["kind"] == "guided-diffusion") return text;
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
    std::string config;
    bool json = false;
  };
  CLI::App* command = app.add_subcommand("info",
                                         "What is in a model file: architecture, parameters, cost, how it "
                                         "was trained; nothing in it is executed");
  auto options = std::make_shared<Options>();
  command->add_option("MODEL", options->files, "Model files of any format; none: the embedded ones");
  command->add_option("--config", options->config,
                      "JSON of create_model's arguments for a guided-diffusion checkpoint");
  command->add_flag("--json", options->json, "As JSON: an array with an object for each model");
  command->callback([options, &exit_code] {
    std::vector<std::string> files = options->files;
    if (files.empty())
      for (const char* name :
           {"denoiser", "student", "gradient-student", "gradient-student-medium", "gradient-student-large"})
        files.push_back(embedded_model(name));
    Json models = Json::array();
    for (const std::string& file : files) models.push_back(describe(file, options->config));
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
