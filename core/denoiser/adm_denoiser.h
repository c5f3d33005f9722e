// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A guided-diffusion checkpoint as a Denoiser.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/denoiser/adm_unet.h"
#include "core/denoiser/checkpoint.h"
#include "core/denoiser/denoiser.h"

namespace digfusion {

/// A checkpoint's network, with the weights still in the file.
struct AdmFile {
  AdmConfig config;
  /// Where the heads, the attention order and the noise schedule come from: a JSON file's path, "metadata",
  /// or empty where they are assumed (infer_adm_config()).
  std::string config_source;
  StoredTensors weights;
};

/// The network of a checkpoint: inferred from its tensors, then changed by the JSON file `config_path`, or
/// where that is empty by the metadata that write_adm_file() left, or by a file of the checkpoint's name with
/// .json for its extension (adm_tiny.half.pt: adm_tiny.half.json, then adm_tiny.json). Throws Error(model)
/// naming the tensor that doesn't fit, and for a network of another kind; nothing where is_adm() says no.
std::optional<AdmFile> adm_file(const Checkpoint& checkpoint, const std::string& path,
                                const std::string& config_path);

/// As safetensors that opens alone, weight after weight, in `precision` or, without one, as they are. Throws
/// as write_safetensors() and to_write().
void write_adm_file(const std::string& path, const AdmFile& file, std::optional<at::ScalarType> precision);
/// The metadata of such a file.
std::map<std::string, std::string> adm_metadata(const AdmConfig& config);

class AdmDenoiser : public Denoiser {
 public:
  /// Weights as adm_forward() wants them.
  AdmDenoiser(AdmConfig config, TensorMap weights);

  at::Tensor predict_noise(const at::Tensor& xt, std::span<const int> t) const override;
  Prediction predict(const at::Tensor& xt, std::span<const int> t) const override {
    return predict_with(xt, t, nullptr);
  }
  Prediction predict_reusing(const at::Tensor& xt, std::span<const int> t, at::Tensor& deep) const override {
    return predict_with(xt, t, &deep);
  }
  bool learns_variance() const override { return config_.learns_variance(); }
  std::int64_t channels() const override { return config_.in_channels; }
  const NoiseSchedule& schedule() const override { return schedule_; }
  std::int64_t multiple() const override { return config_.multiple(); }
  std::int64_t pixels_at_once() const override;
  double multiply_adds(std::int64_t height, std::int64_t width) const override {
    return adm_multiply_adds(config_, height, width);
  }
  std::vector<ConvolutionShape> convolutions(std::int64_t height, std::int64_t width) const override {
    return adm_convolutions(config_, height, width);
  }
  std::int64_t weight_count() const override { return count_of(weights_); }
  const AdmConfig& config() const { return config_; }

  /// The network's outputs as they come: [N,out_channels,H,W] for x_t [N,in_channels,H,W].
  /// `deep` as adm_forward() takes it.
  at::Tensor evaluate(const at::Tensor& xt, std::span<const int> t, at::Tensor* deep = nullptr) const;

 private:
  Prediction predict_with(const at::Tensor& xt, std::span<const int> t, at::Tensor* deep) const;

  AdmConfig config_;
  TensorMap weights_;
  NoiseSchedule schedule_;
  at::Tensor timestep_;  ///< each one's number, float32, on the weights' device
};

}  // namespace digfusion
