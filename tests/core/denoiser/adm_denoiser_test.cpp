// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/adm_denoiser.h"

#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>

#include "core/denoiser/model_file.h"
#include "core/denoiser/registry.h"
#include "core/denoiser/safetensors.h"
#include "core/interface/error.h"
#include "tests/core/denoiser/adm_files.h"
#include "tests/core/denoiser/model_files.h"
#include "tests/core/denoiser/torch_writer.h"
#include "tests/core/metrics/temporary_folder.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

class AdmFiles : public testing::Test {
 protected:
  const TemporaryFolder folder;
  const std::string path = folder.path / "adm.pt";
  const AdmConfig config = tiny_adm_config();
  TensorMap weights = random_adm(config, 1);

  void write() const { write_bytes(path, torch_zip(saved(weights))); }
  void write_json(const std::string& text, const std::string& name = "adm.json") const {
    write_bytes(folder.path / name, text);
  }
  /// The message of opening what is written.
  std::string refusal(const std::string& json = {}) const {
    try {
      (void)open_denoiser(path, at::kCPU, at::kFloat, json);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::model);
      return error.what();
    }
    return "";
  }
  void expect_refused(const std::string& part) const {
    const std::string message = refusal();
    EXPECT_NE(message.find(part), std::string::npos) << "\"" << message << "\" lacks \"" << part << "\"";
  }
};

TEST_F(AdmFiles, OpenAsDenoisersInEveryFormat) {
  const c10::InferenceMode inference;
  const at::Tensor x = random_tensor({1, 3, 16, 16}, 5);
  const int t = 321;
  write();
  write_json(R"({"num_heads": "2"})");
  const auto zip = open_denoiser(path, at::kCPU, at::kFloat);
  const at::Tensor expected = zip->predict_noise(x, {&t, 1});
  write_bytes(folder.path / "adm.legacy.pt", torch_legacy(saved(weights)));
  write_safetensors(folder.path / "adm.safetensors", {weights, {}});
  write_adm_file(folder.path / "alone.safetensors", *adm_file(read_checkpoint(path), path, ""), {});
  for (const char* name : {"adm.legacy.pt", "adm.safetensors", "alone.safetensors"})
    EXPECT_TRUE(at::equal(open_denoiser(folder.path / name, at::kCPU, at::kFloat)->predict_noise(x, {&t, 1}),
                          expected))
        << name;
  EXPECT_EQ(zip->channels(), 3);
  EXPECT_TRUE(zip->learns_variance());
  EXPECT_EQ(zip->multiple(), 2);
  EXPECT_EQ(zip->schedule().timesteps(), 1000);
}

TEST_F(AdmFiles, LumaIsReplicatedAndTheOutputsAveraged) {
  const c10::InferenceMode inference;
  write();
  const auto opened = open_denoiser(path, at::kCPU, at::kFloat);
  const at::Tensor luma = random_tensor({2, 1, 8, 12}, 3);
  const int t[] = {10, 900};
  const Prediction gray = opened->predict(luma, t),
                   colour = opened->predict(at::cat({luma, luma, luma}, 1), t);
  ASSERT_EQ(gray.noise.sizes(), luma.sizes());
  ASSERT_EQ(gray.variance.sizes(), luma.sizes());
  ASSERT_EQ(colour.noise.size(1), 3);
  EXPECT_TRUE(at::allclose(gray.noise, colour.noise.mean(1, true)));
  EXPECT_TRUE(at::allclose(gray.variance, colour.variance.mean(1, true)));
  EXPECT_TRUE(at::equal(opened->predict_noise(luma, t), gray.noise));
}

TEST_F(AdmFiles, ShapesAreInferredFromTensorsAlone) {
  for (const bool updown : {false, true})
    for (const bool film : {false, true})
      for (const std::vector<std::int64_t>& widths :
           {std::vector<std::int64_t>{64}, {64, 128}, {64, 64, 128, 192}}) {
        AdmConfig c;
        c.model_channels = 64;
        c.image_size = 256;
        c.widths = widths;
        c.attention.assign(widths.size(), false);
        c.attention.back() = updown;
        c.res_blocks = 2;
        c.out_channels = film ? 6 : 3;
        c.resblock_updown = updown && widths.size() > 1;
        c.scale_shift_norm = film;
        WeightKinds kinds;
        for (const auto& [name, shape] : adm_shapes(c)) kinds[name] = {at::kFloat, shape};
        ASSERT_TRUE(is_adm(kinds, "a file"));
        EXPECT_EQ(infer_adm_config(kinds, "a file"), c) << adm_config_to_text(c);
        EXPECT_EQ(adm_config_from_text(adm_config_to_text(c), "text", tiny_adm_config()), c);
      }
}

TEST_F(AdmFiles, WhatTensorsDontTellComesFromJson) {
  const AdmConfig c = adm_config_from_text(
      R"({"image_size": 64, "num_channels": 32, "num_res_blocks": 2, "channel_mult": "1,2", "learn_sigma": "False",
          "class_cond": false, "attention_resolutions": "32,16", "num_heads": 4, "num_head_channels": 16,
          "use_scale_shift_norm": true, "resblock_updown": "true", "use_new_attention_order": 1, "dropout": 0.1})",
      "text", config);
  EXPECT_EQ(c.widths, (Shape{32, 64}));
  EXPECT_EQ(c.attention, (std::vector<bool>{false, true}));
  EXPECT_EQ(c.out_channels, 3);
  EXPECT_EQ(c.head_channels, 16);
  EXPECT_TRUE(c.resblock_updown && c.scale_shift_norm);
}

TEST_F(AdmFiles, JsonIsFoundBesideTheFile) {
  write();
  EXPECT_EQ(adm_file(read_checkpoint(path), path, "")->config_source, "");
  write_json(R"({"num_heads": 8})");
  EXPECT_EQ(adm_file(read_checkpoint(path), path, "")->config.heads, 8);
  write_json(R"({"num_heads": 1})", "other.json");
  EXPECT_EQ(adm_file(read_checkpoint(path), path, folder.path / "other.json")->config.heads, 1);
  const std::string half = folder.path / "adm.half.pt";
  write_bytes(half, torch_zip(saved(weights)));
  EXPECT_EQ(adm_file(read_checkpoint(half), half, "")->config.heads, 8);
}

TEST_F(AdmFiles, BadJsonIsNamed) {
  write();
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"[]", "not a JSON object"},
           {"{\"num_heads\": 2", "not a JSON object"},
           {R"({"num_head": 2})", "\"num_head\" isn't an argument"},
           {R"({"num_heads": "two"})", "num_heads \"two\" is not allowed"},
           {R"({"num_heads": 2.5})", "num_heads 2.5 is not allowed"},
           {R"({"num_heads": 3})", "num_heads 3 doesn't divide the 64 channels"},
           {R"({"class_cond": true})", "class-conditional"},
           {R"({"use_scale_shift_norm": "maybe"})", "true or false"},
           {R"({"channel_mult": "1,x"})", "channel_mult"},
           {R"({"channel_mult": [1e300]})", "channel_mult"},
           {R"({"diffusion_steps": 4000})", "1000"},
           {R"({"noise_schedule": "sigmoid"})", "linear or cosine"},
           {R"({"num_channels": 32, "channel_mult": "1,2", "image_size": 17})", "image_size 17"}}) {
    write_json(text);
    expect_refused(part);
    expect_refused("adm.json");
  }
  EXPECT_NE(refusal(folder.path / "nowhere.json").find("nowhere.json"), std::string::npos);
}

TEST_F(AdmFiles, AMismatchNamesTensorAndShapes) {
  weights["middle_block.1.qkv.weight"] = at::zeros({192, 32, 1});
  write();
  expect_refused("tensor \"middle_block.1.qkv.weight\" has shape [192, 32, 1], expected [192, 64, 1]");
  weights = random_adm(config, 1);
  weights.erase("middle_block.2.out_layers.3.bias");
  write();
  expect_refused("tensor \"middle_block.2.out_layers.3.bias\" is missing; expected with shape [64]");
  weights = random_adm(config, 1);
  weights["extra"] = at::zeros({3});
  write();
  expect_refused("tensor \"extra\" belongs to another network");
  weights = random_adm(config, 1);
  write();
  write_json(R"({"num_channels": 64})");
  expect_refused("\"time_embed.0.weight\" has shape [128, 32], expected [256, 64]");
}

TEST_F(AdmFiles, OtherNetworksAreNamed) {
  const auto expect = [&](TensorMap tensors, const char* part) {
    weights = std::move(tensors);
    write();
    expect_refused(part);
  };
  TensorMap conditional = weights, upsampler = weights, classifier, wide = weights;
  conditional["label_emb.weight"] = at::zeros({1000, 128});
  expect(conditional, "class-conditional");
  upsampler["input_blocks.0.0.weight"] = at::zeros({32, 6, 3, 3});
  expect(upsampler, "upsampler");
  for (const auto& [name, w] : conditional)
    if (!name.starts_with("output_blocks") && !name.starts_with("label")) classifier[name] = w;
  expect(classifier, "classifier");
  wide["out.2.weight"] = at::zeros({4, 32, 3, 3});
  expect(wide, "\"out.2.weight\" gives 4 channels, expected 3 or, with learn_sigma, 6");
  expect({{"lora_unet_mid.lora_down.weight", at::zeros({4, 8})}}, "LoRA");
  expect({{"unet.down.lora_A.weight", at::zeros({4, 8})}}, "LoRA");
  expect({{"model.diffusion_model.time_embed.0.weight", at::zeros({4, 8})}}, "latent diffusion");
  expect({{"down_blocks.0.resnets.0.norm1.weight", at::zeros({4})}}, "diffusers");
  expect({{"conv1.weight", at::zeros({64, 3, 7, 7})}, {"fc.bias", at::zeros({10})}},
         "the first of its 2 tensors is \"conv1.weight\" [64, 3, 7, 7]");
}

TEST_F(AdmFiles, NumbersBeyondAPrecisionAreRefused) {
  weights["out.2.bias"][0] = 1e6;
  weights["input_blocks.0.0.bias"][0] = 1e6;
  write();
  EXPECT_NO_THROW((void)open_denoiser(path, at::kCPU, at::kBFloat16));
  EXPECT_THROW((void)open_denoiser(path, at::kCPU, at::kHalf), Error);
  EXPECT_THROW(write_adm_file(folder.path / "half", *adm_file(read_checkpoint(path), path, ""), at::kHalf),
               Error);
  EXPECT_FALSE(std::filesystem::exists(folder.path / "half"));
  EXPECT_FALSE(std::filesystem::exists(folder.path / "half.partial"));
}

TEST_F(AdmFiles, JsonForTheProjectsOwnModelsIsRefused) {
  write_model_file(path, tiny_denoiser());
  write_json("{}", "x.json");
  EXPECT_NE(refusal(folder.path / "x.json").find("says itself what network it is"), std::string::npos);
}

}  // namespace
}  // namespace digfusion
