// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The shape of a guided-diffusion U-Net ("ADM", Dhariwal and Nichol, arXiv 2105.05233): what `create_model`
// of openai/guided-diffusion is told, less class_cond. Nearly all of it shows in the names and shapes of a
// checkpoint's tensors; the rest is in a JSON file, or assumed as for the published checkpoints.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/denoiser/weights.h"

namespace digfusion {

struct AdmConfig {
  std::int64_t image_size = 256;  ///< that it was trained at; any that divides by multiple() can be evaluated
  std::int64_t model_channels = 256;  ///< num_channels
  std::vector<std::int64_t> widths;   ///< channels of each level, finest first: num_channels × channel_mult
  std::vector<bool> attention;        ///< whether the level has it: attention_resolutions
  int res_blocks = 2;  ///< num_res_blocks: residual blocks a level on the way down, one more up
  std::int64_t in_channels = 3;
  std::int64_t out_channels = 6;  ///< in_channels, or twice as many with learn_sigma
  int heads = 4;                  ///< num_heads, where head_channels is -1
  int heads_upsample = 4;         ///< num_heads_upsample, the same on the way up
  int head_channels = 64;         ///< num_head_channels: a head's width, or -1
  bool scale_shift_norm = true;
  bool resblock_updown = true;
  bool new_attention_order = false;  ///< q, k, v apart before heads are; else heads first ("legacy")
  bool cosine = false;               ///< noise_schedule: cosine instead of linear

  bool operator==(const AdmConfig&) const = default;
  bool learns_variance() const { return out_channels == 2 * in_channels; }
  /// Height and width of a picture must be multiples of this.
  std::int64_t multiple() const { return std::int64_t{1} << (widths.size() - 1); }
};

/// Whether these are the weights of a guided-diffusion U-Net, by the names of the tensors. Throws
/// Error(model) that names what they are where they are something near that can't be used: a
/// class-conditional model, an upsampler, a classifier, a LoRA file, a network of diffusers or of latent
/// diffusion.
bool is_adm(const WeightKinds& weights, const std::string& path);

/// The shape that names and shapes of the tensors show. What they don't show (heads, attention order, image
/// size, noise schedule) is as in the published unconditional checkpoints: 64 channels a head (4 heads where
/// the widths don't divide by 64), legacy order, 256, linear. Throws Error(model) naming the tensor that is
/// missing or absurd.
AdmConfig infer_adm_config(const WeightKinds& weights, const std::string& path);

/// `base` changed by what JSON text has of create_model's arguments (numbers, booleans and lists may be
/// strings, as on guided-diffusion's command line). `source` is named in errors. Throws Error(model) for text
/// that isn't such JSON, an argument that doesn't exist, class_cond, and numbers that don't fit each other.
AdmConfig adm_config_from_text(const std::string& text, const std::string& source, AdmConfig base);

/// create_model's arguments as JSON text; adm_config_from_text() makes the same of it, from any base.
std::string adm_config_to_text(const AdmConfig& config);

/// That of 256x256_diffusion_uncond.pt: 552.8 M parameters.
AdmConfig adm_256_config();

}  // namespace digfusion
