// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion info` on guided-diffusion checkpoints and bad files, and `digfusion fuse` with such a
// checkpoint.
#include "core/tools/pictures.h"
#include "tests/tools/model_test.h"
#include "tests/tools/safetensors_edit.h"

namespace digfusion::tools {
namespace {

using Json = nlohmann::json;

Json info_of(const Words& files) {
  Words words = {"info", "--json"};
  words.insert(words.end(), files.begin(), files.end());
  const ProcessResult result = digfusion(words);
  expect_success(result);
  return Json::parse(result.out);
}

class Info : public ProgramTest {};

TEST_F(Info, NamesWhatIsWrongWithAFileInOneLine) {
  expect_failure(digfusion({"info", at("none")}), 1, {"none", "can't be opened"});
  expect_failure(digfusion({"info", write("empty", std::string())}), 1, {"empty", "is empty"});
  expect_failure(digfusion({"info", write("text", std::string("no model"))}), 1, {"text", "safetensors"});
  expect_failure(digfusion({"info", folder.path.string()}), 1, {"is not a regular file"});
  SafetensorsParts other;
  other.add("lora_unet_down.lora_up.weight", "F32", {1}, std::vector<float>{1});
  expect_failure(digfusion({"info", write("lora", other.bytes())}), 1, {"lora", "LoRA"});
}

TEST_F(Info, SaysWhatAnUnknownNetworkHoldsAndWhatToGiveInstead) {
  SafetensorsParts other;
  other.add("encoder.weight", "F32", {2, 3}, std::vector<float>(6));
  expect_failure(
      digfusion({"info", write("other", other.bytes())}), 1,
      {"other", "wasn't made by digfusion", "the first of its 1 tensors is \"encoder.weight\" [2, 3]",
       "Give an unconditional guided-diffusion (ADM) checkpoint"});
}

TEST_F(Info, ShowsNothingWhereOneOfSeveralFilesIsBad) {
  const ProcessResult result = digfusion({"info", embedded_denoiser(), at("none")});
  expect_failure(result, 1, {"none"});
  EXPECT_EQ(result.out, "");
}

class InfoReference : public ReferenceTest {};

TEST_F(InfoReference, NamesArchitecturePrecisionAndParameters) {
  const ProcessResult text = digfusion({"info", reference("adm_tiny.pt")});
  expect_success(text);
  for (const char* part : {"guided-diffusion", "U-Net: 32, 32, 64 channels", "1 residual blocks a level",
                           "attention at 1/2, 1/4", "16 channels a head (legacy order)", "scale and shift",
                           "learned variance", "PyTorch zip", "float32"})
    expect_part(text.out, part);
  const Json models = info_of({reference("adm_tiny.half.pt"), reference("adm_tiny.legacy.pt"),
                               reference("adm_tiny.safetensors"), reference("adm_heads.pt")});
  const auto header = read_safetensors_parts(reference("adm_tiny.safetensors")).header;
  std::int64_t parameters = 0;
  for (const auto& [name, entry] : header.items()) {
    std::int64_t count = name == "__metadata__" ? 0 : 1;
    if (count > 0)
      for (const Json& size : entry["shape"]) count *= size.get<std::int64_t>();
    parameters += count;
  }
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(models[i]["parameters"], parameters);
  EXPECT_EQ(models[0]["precision"], "float16");
  EXPECT_EQ(models[1]["format"], "PyTorch before 1.6");
  EXPECT_EQ(models[2]["format"], "safetensors");
  EXPECT_EQ(models[3]["network"]["num_heads"], 2);
}

TEST_F(InfoReference, DescribesAFileInFloat64AsTheSameInFloat32) {
  const std::string path = reference("adm_tiny.safetensors");
  const SafetensorsParts single = read_safetensors_parts(path);
  SafetensorsParts wide;
  for (const auto& [name, entry] : single.header.items()) {
    if (name == "__metadata__") {
      wide.header[name] = entry;
      continue;
    }
    const std::string bytes = single.at(name);
    std::vector<float> numbers(bytes.size() / sizeof(float));
    std::memcpy(numbers.data(), bytes.data(), bytes.size());
    wide.add(name, "F64", entry.at("shape"), std::vector<double>(numbers.begin(), numbers.end()));
  }
  const std::string file = write("wide.safetensors", wide.bytes());
  const Json models = info_of({"--config", reference("adm_tiny.json"), file, path});
  EXPECT_EQ(models[0]["precision"], "float64");
  EXPECT_EQ(models[0]["bytes"], std::filesystem::file_size(file));
  for (const char* same : {"kind", "format", "network", "parameters", "multiply_adds_640x480"})
    EXPECT_EQ(models[0][same], models[1][same]) << same;
}

TEST_F(InfoReference, SaysWhatWasInferredAndWhatAssumed) {
  const Json beside = info_of({reference("adm_tiny.pt")}).at(0);
  EXPECT_EQ(beside["configuration"], reference("adm_tiny.json"));
  const std::string file = alone("adm_tiny.pt");
  const Json inferred = info_of({file}).at(0);
  EXPECT_EQ(inferred["configuration"], "inferred; heads, attention order and noise schedule assumed");
  for (const char* shown : {"num_channels", "channel_mult", "num_res_blocks", "learn_sigma",
                            "use_scale_shift_norm", "resblock_updown"})
    EXPECT_EQ(inferred["network"][shown], beside["network"][shown]) << shown;
  EXPECT_EQ(info_of({"--config", reference("adm_tiny.json"), file}).at(0)["network"], beside["network"]);
}

TEST_F(InfoReference, NamesTheTensorThatIsMissing) {
  SafetensorsParts parts = read_safetensors_parts(reference("adm_tiny.safetensors"));
  parts.header.erase("out.2.weight");
  expect_failure(digfusion({"info", write("model.safetensors", parts.bytes())}), 1,
                 {"model.safetensors", "tensor \"out.2.weight\" is missing"});
}

class FuseWithCheckpoint : public ReferenceTest {
 protected:
  cv::Mat fuse(const std::string& model, const Words& more = {}) {
    Words words = {"fuse",
                   "--visible",
                   write("v.png", picture(1, CV_8UC3, {40, 32})),
                   "--infrared",
                   write("i.png", picture(2, CV_8UC1, {40, 32})),
                   "--output",
                   at("fused.png"),
                   "--method",
                   "guided",
                   "--steps",
                   "2",
                   "--interval",
                   "1",
                   "--draws",
                   "1",
                   "--quiet",
                   "--model",
                   model};
    words.insert(words.end(), more.begin(), more.end());
    const ProcessResult result = digfusion(words);
    expect_success(result);
    return result.exit_code == 0 ? read_picture(at("fused.png")) : cv::Mat();
  }
};

TEST_F(FuseWithCheckpoint, TheConfigurationBesideItAndTheOneNamedGiveTheSamePicture) {
  const cv::Mat beside = fuse(reference("adm_new_order.pt"));
  ASSERT_EQ(beside.size(), cv::Size(40, 32));
  const std::string file = alone("adm_new_order.pt");
  EXPECT_TRUE(equal(beside, fuse(file, {"--model-config", reference("adm_new_order.json")})));
  EXPECT_FALSE(equal(beside, fuse(file)));  // the attention order that is assumed is another
}

TEST_F(FuseWithCheckpoint, SmallestReferenceNetworkFusesToItsEnd) {
  const cv::Mat fused = fuse(reference("adm_tiny.pt"));
  ASSERT_EQ(fused.type(), CV_8UC3);
  EXPECT_EQ(fused.size(), cv::Size(40, 32));
  EXPECT_FALSE(equal(fused, read_picture(at("v.png"))));
}

TEST_F(FuseWithCheckpoint, AConfigurationOfAnotherNetworkIsNamedBeforeAnythingIsWritten) {
  const ProcessResult result =
      digfusion({"fuse", "--visible", write("v.png", picture(1)), "--infrared", write("i.png", picture(2)),
                 "--output", at("fused.png"), "--method", "guided", "--model", reference("adm_tiny.pt"),
                 "--model-config", reference("adm_heads.json"), "--quiet"});
  expect_failure(result, 1, {"adm_tiny.pt", "has shape [64, 128], expected [32, 128]"});
  EXPECT_FALSE(std::filesystem::exists(at("fused.png")));
}

}  // namespace
}  // namespace digfusion::tools
