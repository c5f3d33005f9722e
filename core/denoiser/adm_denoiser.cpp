// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/adm_denoiser.h"

#include <filesystem>
#include <vector>

#include "core/denoiser/safetensors.h"

namespace digfusion {
namespace {

namespace files = std::filesystem;

/// The key of a safetensors file's metadata that holds adm_config_to_text().
constexpr const char* metadata_key = "guided-diffusion";

std::string read_text(const std::string& path) {
  const MappedFile file(path);
  constexpr std::uint64_t longest = 1 << 20;
  if (file.size() > longest) file.refuse("is too long for a network's description in JSON");
  const auto bytes = file.bytes(0, file.size());
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// NAME.json beside NAME.pt, or beside NAME.half.pt; empty where there is none.
std::string json_beside(const files::path& checkpoint) {
  files::path path = checkpoint;
  while (path.has_extension()) {
    path.replace_extension();
    std::error_code error;
    const std::string json = path.string() + ".json";
    if (files::is_regular_file(json, error)) return json;
  }
  return {};
}

}  // namespace

std::optional<AdmFile> adm_file(const Checkpoint& checkpoint, const std::string& path,
                                const std::string& config_path) {
  const WeightKinds kinds = kinds_of(checkpoint.tensors);
  if (!is_adm(kinds, path)) return {};
  AdmFile file{infer_adm_config(kinds, path), {}, checkpoint.tensors};
  const auto metadata = checkpoint.metadata.find(metadata_key);
  if (!config_path.empty() || metadata == checkpoint.metadata.end()) {
    file.config_source = config_path.empty() ? json_beside(path) : config_path;
    if (!file.config_source.empty())
      file.config = adm_config_from_text(read_text(file.config_source), file.config_source, file.config);
  } else {
    file.config_source = "metadata";
    file.config = adm_config_from_text(metadata->second, path, file.config);
  }
  check_weights(adm_shapes(file.config), kinds, path);
  return file;
}

void write_adm_file(const std::string& path, const AdmFile& file, std::optional<at::ScalarType> precision) {
  write_safetensors(path, to_write(file.weights, precision), adm_metadata(file.config));
}

std::map<std::string, std::string> adm_metadata(const AdmConfig& config) {
  return {{metadata_key, adm_config_to_text(config)}};
}

AdmDenoiser::AdmDenoiser(AdmConfig config, TensorMap weights)
    : config_(std::move(config)),
      weights_(std::move(weights)),
      schedule_(config_.cosine ? cosine_schedule() : linear_schedule()) {
  timestep_ =
      at::arange(schedule_.timesteps(), at::TensorOptions(at::kFloat)).to(weights_.begin()->second.device());
  pack_adm(config_, weights_);
}

std::int64_t AdmDenoiser::pixels_at_once() const {
  // A picture at a time keeps a CPU busy, and its activations small beside the weights. A GPU has few pixels
  // to share among its cores at the coarse levels: there DIG-25's six evaluations of 640×512 are one batch.
  const bool cpu = weights_.begin()->second.is_cpu();
  return cpu ? 1 : Denoiser::pixels_at_once();
}

at::Tensor AdmDenoiser::evaluate(const at::Tensor& xt, std::span<const int> t, at::Tensor* deep) const {
  return adm_forward(config_, weights_, xt, at_timesteps(timestep_, t), deep);
}

Prediction AdmDenoiser::predict_with(const at::Tensor& xt, std::span<const int> t, at::Tensor* deep) const {
  const std::int64_t channels = config_.in_channels;
  const bool luma = xt.size(1) == 1 && channels > 1;
  const at::Tensor output =
      evaluate(luma ? xt.expand({xt.size(0), channels, xt.size(2), xt.size(3)}) : xt, t, deep);
  const auto part = [&](std::int64_t first) {
    const at::Tensor values = output.narrow(1, first, channels);
    return luma ? values.mean(1, true) : values.contiguous();
  };
  return {part(0), learns_variance() ? part(channels) : at::Tensor()};
}

at::Tensor AdmDenoiser::predict_noise(const at::Tensor& xt, std::span<const int> t) const {
  return predict(xt, t).noise;
}

}  // namespace digfusion
