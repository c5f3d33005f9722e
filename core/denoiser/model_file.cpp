// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/model_file.h"

#include "core/denoiser/gradient_student.h"
#include "core/interface/error.h"

namespace digfusion {
namespace {

constexpr const char* kind_key = "digfusion";

std::string timesteps_to_text(const std::vector<int>& timesteps) {
  std::string text;
  for (const int t : timesteps) text += (text.empty() ? "" : ",") + std::to_string(t);
  return text;
}

/// For who wonders what file that is.
std::string first_tensor(const Checkpoint& checkpoint) {
  if (checkpoint.tensors.empty()) return ": it holds no tensors";
  const auto& [name, tensor] = *checkpoint.tensors.begin();
  return ": the first of its " + std::to_string(checkpoint.tensors.size()) + " tensors is \"" + name + "\" " +
         c10::str(at::IntArrayRef(tensor.sizes));
}

}  // namespace

const char* name_of(ModelKind kind) {
  switch (kind) {
    case ModelKind::student:
      return "student";
    case ModelKind::gradient_student:
      return "gradient-student";
    default:
      return "denoiser";
  }
}

bool is_model_file(const Checkpoint& checkpoint) { return checkpoint.metadata.contains(kind_key); }

ModelFile read_model_file(const std::string& path) { return model_file(read_checkpoint(path), path); }

ModelFile model_file(const Checkpoint& raw, const std::string& path) {
  const auto field = [&](const char* key) -> const std::string& {
    const auto found = raw.metadata.find(key);
    if (found == raw.metadata.end())
      throw Error(ErrorCode::model, "model file " + path + ": it wasn't made by digfusion (no \"" + key +
                                        "\" in its metadata), nor is it a guided-diffusion network" +
                                        first_tensor(raw) +
                                        ". Give an unconditional guided-diffusion (ADM) checkpoint, or a "
                                        "model that digfusion train or convert wrote");
    return found->second;
  };
  ModelFile file;
  const std::string& kind = field(kind_key);
  bool known = false;
  for (const ModelKind each : {ModelKind::denoiser, ModelKind::student, ModelKind::gradient_student})
    if (kind == name_of(each)) known = true, file.kind = each;
  if (!known)
    throw Error(ErrorCode::model,
                "model file " + path + ": it holds a \"" + kind + "\", which this version doesn't know");
  file.config = unet_config_from_text(field("network"), path);
  check_weights(unet_shapes(file.config), kinds_of(raw.tensors), path);
  std::int64_t outputs = std::int64_t{file.config.unshuffle} * file.config.unshuffle;
  std::int64_t side = 0;
  int told = 0;
  if (file.kind != ModelKind::denoiser) {
    const auto levels = parse_levels(field("timesteps"));
    if (const auto* message = std::get_if<std::string>(&levels))
      throw Error(ErrorCode::model, "model file " + path + ": timesteps in its metadata: " + *message);
    const Levels& parsed = std::get<Levels>(levels);
    file.timesteps.assign(parsed.timestep, parsed.timestep + parsed.count);
    if (file.kind == ModelKind::student) {
      outputs = (outputs + 1) * parsed.count;
    } else {
      const UNetConfig needed = gradient_student_config(file.timesteps.size());
      side = needed.side;
      told = needed.told;
    }
  }
  if (file.config.outputs != outputs)
    throw Error(ErrorCode::model, "model file " + path + ": a " + name_of(file.kind) + " of this kind has " +
                                      std::to_string(outputs) + " output channels, this one has " +
                                      std::to_string(file.config.outputs));
  if (file.config.side != side || file.config.told != told)
    throw Error(ErrorCode::model,
                "model file " + path + ": a " + name_of(file.kind) + " of this kind has \"side\" " +
                    std::to_string(side) + " and \"told\" " + std::to_string(told) +
                    " in its network's description, this one " + std::to_string(file.config.side) + " and " +
                    std::to_string(file.config.told));
  for (const auto& [name, stored] : raw.tensors) file.weights.emplace(name, stored.load());
  if (const auto training = raw.metadata.find("training"); training != raw.metadata.end())
    file.training = training->second;
  return file;
}

ModelFile read_model_file(const std::string& path, ModelKind kind) {
  return model_file(read_checkpoint(path), path, kind);
}

ModelFile model_file(const Checkpoint& checkpoint, const std::string& path, ModelKind kind) {
  ModelFile file = model_file(checkpoint, path);
  if (file.kind != kind)
    throw Error(ErrorCode::model, "model file " + path + ": it holds a " + name_of(file.kind) + ", but a " +
                                      name_of(kind) + " is needed here");
  return file;
}

void write_model_file(const std::string& path, const ModelFile& file) {
  SafetensorsFile raw;
  raw.metadata[kind_key] = name_of(file.kind);
  raw.metadata["network"] = unet_config_to_text(file.config);
  if (file.kind != ModelKind::denoiser) raw.metadata["timesteps"] = timesteps_to_text(file.timesteps);
  if (!file.training.empty()) raw.metadata["training"] = file.training;
  for (const auto& [name, w] : file.weights) raw.tensors[name] = w.detach().to(at::kHalf);
  write_safetensors(path, raw);
}

}  // namespace digfusion
