// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion fuse` on bad input: pictures, files, parameters, models, devices.
#include <nlohmann/json.hpp>

#include "core/tools/pictures.h"
#include "tests/tools/program.h"

namespace fs = std::filesystem;

namespace digfusion::tools {
namespace {

class FuseErrors : public ProgramTest {
 protected:
  FuseErrors() : visible(write("v.png", picture(1))), infrared(write("i.png", picture(2))) {}

  ProcessResult fuse(const std::string& v, const std::string& i, const std::string& output,
                     const Words& more = {}) {
    Words words = {"fuse", "--visible", v, "--infrared", i, "--output", at(output)};
    words.insert(words.end(), more.begin(), more.end());
    return digfusion(words);
  }
  ProcessResult fuse_with(const Words& more) { return fuse(visible, infrared, "fused.png", more); }

  std::string visible, infrared;
};

TEST_F(FuseErrors, NameThePictureThatCantBeReadAndLeaveNoOutput) {
  const std::string whole = read_text(visible);
  const std::string cut = write("cut.png", whole.substr(0, whole.size() / 2));
  expect_failure(fuse(cut, infrared, "fused.png"), 1, {"cut.png"});
  expect_failure(fuse(visible, write("text.jpg", std::string("no picture")), "fused.png"), 1, {"text.jpg"});
  expect_failure(fuse(write("zero.tif", std::string()), infrared, "fused.png"), 1,
                 {"zero.tif", "empty file"});
  expect_failure(fuse(visible, at("missing.png"), "fused.png"), 1,
                 {"there is no file or folder", "missing.png"});
  expect_failure(fuse(visible, folder.path.string(), "fused.png"), 1, {"give pictures or folders alone"});
  EXPECT_FALSE(fs::exists(at("fused.png")));
}

TEST_F(FuseErrors, NameSizesThatCantBeFused) {
  expect_failure(fuse(write("tiny.png", picture(1, CV_8UC1, {64, 8})), infrared, "fused.png"), 1,
                 {"tiny.png", "64×8", "16×16"});
  expect_failure(fuse(visible, write("thin.png", picture(1, CV_8UC1, {8, 64})), "fused.png"), 1,
                 {"thin.png", "infrared", "8×64"});
}

TEST_F(FuseErrors, NameStemsWithoutPartnerAndMissingFolders) {
  write("v/a.png", picture(1));
  write("v/b.png", picture(1));
  write("i/a.png", picture(2));
  expect_failure(fuse(at("v"), at("nowhere"), "out"), 1, {"nowhere"});
  const ProcessResult result = fuse(at("v"), at("i"), "out");
  EXPECT_EQ(result.exit_code, 1);
  expect_part(result.err, "equal stem");
  expect_part(result.err, at("i") + " lacks: b");
  EXPECT_FALSE(fs::exists(at("out")));
}

TEST_F(FuseErrors, NameWhatIsWrongWithInputs) {
  const auto fuse_inputs = [&](Words words, const Words& more) {
    words.insert(words.begin(), {"fuse", "--output", at("fused.png"), "--inputs"});
    words.insert(words.end(), more.begin(), more.end());
    return digfusion(words);
  };
  expect_failure(fuse_inputs({visible}, {}), 1, {"one picture", "v.png", "give two or more"});
  expect_failure(fuse_inputs(Words(9, visible), {}), 1, {"9 pictures", "up to 8"});
  expect_failure(fuse_inputs({visible, folder.path.string()}, {}), 1, {"give pictures or folders alone"});
  const std::string other = write("other.png", picture(2, CV_8UC1, {40, 30}));
  expect_failure(fuse_inputs({visible, infrared, other}, {"--task", "focus"}), 1,
                 {"v.png has 64x48", "other.png 40x30", "--task focus", "one size"});
  expect_failure(fuse_inputs({visible, infrared}, {"--task", "panorama"}), 2, {"panorama", "focus"});
  expect_failure(fuse_inputs({visible, infrared}, {"--visible", visible, "--infrared", infrared}), 2,
                 {"--inputs"});
  expect_failure(digfusion({"fuse", "--output", at("fused.png")}), 2,
                 {"--visible and --infrared, or --inputs"});
  expect_failure(digfusion({"fuse", "--visible", visible, "--output", at("fused.png")}), 2, {"--infrared"});
  write("stack/x_A.png", picture(1));
  write("stack/x_C.png", picture(1));
  expect_failure(fuse_inputs({at("stack")}, {}), 1, {"stack lacks: x_B"});
  EXPECT_FALSE(fs::exists(at("fused.png")));
}

TEST_F(FuseErrors, TellOfALearnedVarianceThatIsntThere) {
  expect_failure(fuse_with({"--preset", "paper", "--variance", "learned"}), 1,
                 {"variance", "denoiser.safetensors", "fixed-small"});
}

TEST_F(FuseErrors, OfTheReportComeBeforeTheWork) {
  expect_failure(fuse_with({"--report", at("nowhere/report.json")}), 1, {"nowhere"});
  EXPECT_FALSE(fs::exists(at("fused.png")));
}

TEST_F(FuseErrors, OfOnePictureLetTheOthersGoOn) {
  for (const char* name : {"a", "b", "c"}) {
    write(std::string("v/") + name + ".png", picture(1));
    write(std::string("i/") + name + ".png", picture(2));
  }
  write("i/b.png", std::string("damaged"));
  const ProcessResult result = fuse(at("v"), at("i"), "out");
  expect_failure(result, 1, {at("i/b.png")});
  expect_part(result.out, "fused 2 of 3 pictures");
  EXPECT_TRUE(fs::exists(at("out/a.png")) && fs::exists(at("out/c.png")));
  EXPECT_FALSE(fs::exists(at("out/b.png")));
}

TEST_F(FuseErrors, OfTheOutputComeBeforeTheWork) {
  expect_failure(fuse(visible, infrared, "fused.gif"), 1, {"fused.gif", ".png"});
  expect_failure(fuse(visible, infrared, "v.png"), 1, {"v.png", "one of the pictures to fuse"});
  expect_failure(fuse(write("deep.png", picture(1, CV_16UC1)), infrared, "fused.jpg"), 1,
                 {"fused.jpg", "16-bit"});
  expect_failure(fuse(visible, infrared, "v.png/fused.png"), 1, {"v.png"});
  EXPECT_TRUE(equal(read_picture(visible), picture(1)));
}

TEST_F(FuseErrors, TellOfAFullDisk) {
  fs::create_symlink("/dev/full", at("full.png"));
  expect_failure(fuse(visible, infrared, "full.png"), 1,
                 {"full.png", "No space left on device", "make room"});
}

TEST_F(FuseErrors, NameTheValuesThatAParameterAllows) {
  expect_failure(fuse_with({"--steps", "0"}), 2, {"steps", "\"0\"", "from 1 to 1000"});
  expect_failure(fuse_with({"--guidance-scale", "1.5"}), 2, {"guidance-scale", "from 0 to 1"});
  expect_failure(fuse_with({"--method", "magic"}), 2, {"method", "guided, bandwise, amortised, gradient"});
  expect_failure(fuse_with({"--levels", "10,20"}), 2, {"levels", "strictly falling"});
  expect_failure(fuse_with({"--seed", "many"}), 2, {"seed", "a whole number"});
  expect_failure(fuse_with({"--volume", "11"}), 2, {"--volume"});
  expect_failure(digfusion({"fuse", "--visible", visible, "--infrared", infrared}), 2, {"--output"});
  expect_failure(fuse_with({"--distance", "l1"}), 1, {"distance", "gradient"});
  EXPECT_FALSE(fs::exists(at("fused.png")));
}

TEST_F(FuseErrors, TellOfADeviceThatIsntThere) {
  expect_failure(fuse_with({"--device", "cuda:7"}), 1, {"cuda:7", "isn't there", "device=cpu"});
  expect_failure(fuse_with({"--device", "toaster"}), 1, {"toaster", "auto, cpu, cuda or cuda:N"});
}

TEST_F(FuseErrors, SayWhatIsWrongWithAModelFile) {
  const ProcessResult info = digfusion({"info", "--json"});
  ASSERT_EQ(info.exit_code, 0) << info.err;
  const std::string student = nlohmann::json::parse(info.out)[1]["file"];
  const std::string bytes = read_text(student);
  ASSERT_GT(bytes.size(), 1000u);

  const auto refused = [&](const char* name, const std::string& content, const Words& parts) {
    const std::string file = write(name, content);
    expect_failure(fuse_with({"--student", file}), 1, parts);
    expect_failure(digfusion({"info", file}), 1, parts);
  };
  refused("pickle.pt", "PK\x03\x04 this is a zip file of Python pickles, as PyTorch writes them",
          {"pickle.pt", "zip file", "truncated or damaged"});
  refused("empty.safetensors", "", {"empty.safetensors", "too short"});
  refused("cut.safetensors", bytes.substr(0, bytes.size() / 2), {"cut.safetensors", "truncated"});
  std::string lying = bytes;
  lying[6] = '\x7f';  // a header of 2^54 bytes
  refused("lying.safetensors", lying, {"lying.safetensors", "claims a header"});
  std::string garbled = bytes;
  garbled[8] = '#';
  refused("garbled.safetensors", garbled, {"garbled.safetensors", "not JSON"});
  std::string nan = bytes;
  nan[nan.size() - 2] = '\x00';
  nan[nan.size() - 1] = '\x7e';  // float16 NaN
  refused("nan.safetensors", nan, {"nan.safetensors", "NaN"});
  refused("foreign.safetensors", std::string("\x02\0\0\0\0\0\0\0{}", 10),
          {"foreign.safetensors", "wasn't made by digfusion"});

  expect_failure(fuse_with({"--preset", "paper", "--model", student}), 1, {"student", "denoiser is needed"});
  expect_failure(fuse_with({"--student", at("none.safetensors")}), 1, {"none.safetensors", "No such file"});
  expect_failure(fuse_with({"--student", folder.path.string()}), 1, {"not a regular file"});
}

}  // namespace
}  // namespace digfusion::tools
