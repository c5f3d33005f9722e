// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The program as a whole and its small subcommands: help, exit codes, score, info, parameters, evaluate.
#include <nlohmann/json.hpp>

#include "core/parameters/parameters.h"
#include "tests/tools/program.h"

namespace fs = std::filesystem;

namespace digfusion::tools {
namespace {

using Json = nlohmann::json;

class Commands : public ProgramTest {};

TEST_F(Commands, HelpNamesEverySubcommand) {
  const ProcessResult result = digfusion({"--help"});
  expect_success(result);
  for (const char* name : {"fuse", "score", "train", "evaluate", "info", "parameters", "bench", "Exit codes"})
    expect_part(result.out, name);
  expect_success(digfusion({"--version"}));
}

TEST_F(Commands, HelpOfFuseAndBenchHoldsEveryParameterWithItsValuesAndDefault) {
  for (const char* command : {"fuse", "bench"}) {
    const ProcessResult result = digfusion({command, "--help"});
    expect_success(result);
    for (const ParameterSpec& spec : parameter_table()) {
      expect_part(result.out, std::string("--") + spec.name + " ");
      const std::string default_text = to_text(spec, spec.default_value());
      if (!default_text.empty()) expect_part(result.out, "=" + default_text);
      for (const Choice& choice : spec.choices) expect_part(result.out, std::string(choice.nick) + ": ");
    }
  }
}

TEST_F(Commands, ACommandLineThatCantBeUnderstoodIsTheExitCode2) {
  expect_failure(digfusion({}), 2, {"subcommand"});
  expect_failure(digfusion({"frobnicate"}), 2, {"frobnicate"});
  expect_failure(digfusion({"score", "--visible", "v", "--infrared", "i"}), 2, {"--fused"});
  expect_failure(digfusion({"train"}), 2, {"subcommand"});
  expect_failure(digfusion({"train", "denoiser"}), 2, {"--output"});
}

TEST_F(Commands, StandardOutputThatCantBeWrittenIsAFailure) {
  expect_failure(shell("\"$0\" parameters >/dev/full"), 1, {"standard output", "No space left on device"});
  // A reader that goes away isn't worth a word.
  const ProcessResult result = shell("{ \"$0\" parameters; echo $? >&2; } | :");
  EXPECT_EQ(result.err, "141\n");
}

TEST_F(Commands, ParametersPageIsTheOneInDocs) {
  const ProcessResult result = digfusion({"parameters", "--markdown"});
  expect_success(result);
  const std::string page = read_text(fs::path(environment("DIGFUSION_SOURCE")) / "docs" / "parameters.md");
  EXPECT_TRUE(result.out == page) << "docs/parameters.md is out of date; write it anew with: "
                                     "digfusion parameters --markdown > docs/parameters.md";
  for (const ParameterSpec& spec : parameter_table()) {
    expect_part(result.out, "| `" + std::string(spec.name) + "` |");
    expect_part(result.out,
                spec.mutability == Mutability::playing ? "at any time" : "before the stream starts");
  }
  expect_part(result.out, "| `paper` |");
  expect_part(result.out, "`method=guided`");
}

TEST_F(Commands, ParametersAsTextNameEveryDefault) {
  const ProcessResult result = digfusion({"parameters"});
  expect_success(result);
  for (const ParameterSpec& spec : parameter_table())
    expect_part(result.out, std::string(spec.name) + "=" + to_text(spec, spec.default_value()) + "  (");
}

TEST_F(Commands, InfoShowsTheEmbeddedModels) {
  const ProcessResult text = digfusion({"info"});
  expect_success(text);
  for (const char* part :
       {"denoiser.safetensors", "student.safetensors", "U-Net: 32, 64, 96 channels", "multiply-adds",
        "G for 640x480", "timesteps       [500,200,60,15]", "gradient-student.safetensors",
        "gradient-student-medium.safetensors", "gradient-student-large.safetensors",
        "timesteps       [200,60,15]", "file size", "training", "steps"})
    expect_part(text.out, part);

  const ProcessResult result = digfusion({"info", "--json"});
  expect_success(result);
  const Json models = Json::parse(result.out);
  ASSERT_EQ(models.size(), 5u);
  EXPECT_EQ(models[0]["kind"], "denoiser");
  EXPECT_EQ(models[1]["kind"], "student");
  for (const int size : {2, 3, 4}) EXPECT_EQ(models[size]["kind"], "gradient-student");
  EXPECT_LT(models[2]["parameters"], models[3]["parameters"]);
  EXPECT_LT(models[3]["parameters"], models[4]["parameters"]);
  for (const Json& model : models) {
    const std::string file = model["file"];
    EXPECT_EQ(model["bytes"], fs::file_size(file));
    // Weights are stored as float16, and little else is in the file.
    EXPECT_NEAR(model["parameters"].get<double>() * 2, model["bytes"].get<double>(), 20000);
    EXPECT_GT(model["multiply_adds_640x480"].get<double>(), 1e9);
    EXPECT_GT(model["training"]["steps"].get<int>(), 0);
    // By name it is the same.
    EXPECT_EQ(Json::parse(digfusion({"info", "--json", file}).out), Json::array({model}));
  }
  EXPECT_EQ(models[1]["timesteps"], Json({500, 200, 60, 15}));
}

TEST_F(Commands, ScoreWritesCsv) {
  write("v/a.png", picture(1));
  write("i/a.png", picture(2));
  write("f/a.png", picture(3));
  const Words words = {"score", "--visible", at("v"), "--infrared", at("i"), "--fused", at("f")};
  const ProcessResult result = digfusion(words);
  expect_success(result);
  EXPECT_TRUE(result.out.starts_with(
      "method,picture,EN,SD,SF,AG,EI,MI,MSE,PSNR,CC,SCD,SSIM,VIFF,Qabf,Nabf\nfused,a,"));

  Words to_file = words;
  to_file.insert(to_file.end(), {"--csv", at("scores.csv"), "--baselines", "--threads", "1"});
  const ProcessResult written = digfusion(to_file);
  expect_success(written);
  EXPECT_EQ(written.out, "");
  const std::string csv = read_text(at("scores.csv"));
  EXPECT_TRUE(csv.starts_with(result.out));
  for (const char* row : {"\naverage,mean,", "\nmaximum,mean,", "\nlaplacian,mean,"}) expect_part(csv, row);
}

TEST_F(Commands, ScoreRefusesWhatItCantCompare) {
  write("v/a.png", picture(1));
  write("i/a.png", picture(2));
  write("f/a.png", picture(3, CV_8UC1, {32, 24}));
  const auto score = [&](const std::string& fused) {
    return digfusion({"score", "--visible", at("v"), "--infrared", at("i"), "--fused", fused});
  };
  for (const auto& [fused, part] :
       {std::pair{at("f"), "sizes of \"a\" differ"}, {at("none"), "there is no folder"}}) {
    const ProcessResult result = score(fused);
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_EQ(result.out, "");
    expect_part(result.err, part);
  }
}

TEST_F(Commands, EvaluatePrintsWhatTheDenoiserScores) {
  write("photos/a.png", picture(1, CV_8UC1, {70, 50}));
  write("photos/b.png", picture(2));
  const ProcessResult result =
      digfusion({"evaluate", "--pictures", at("photos"), "--every", "1", "--sigma", "50"});
  expect_success(result);
  double noisy = 0, means = 0, denoised = 0;
  int count = 0;
  ASSERT_EQ(std::sscanf(result.out.c_str(),
                        "white,column,pictures,noisy,non-local means,denoiser\n50,0,%d,%lf,%lf,%lf", &count,
                        &noisy, &means, &denoised),
            4)
      << result.out;
  EXPECT_EQ(count, 2);
  EXPECT_NEAR(noisy, 14.15, 0.5);  // 20 log10(255/50)
  EXPECT_GT(denoised, noisy + 5);
  expect_failure(digfusion({"evaluate", "--pictures", at("none")}), 1, {"there is no folder"});
}

}  // namespace
}  // namespace digfusion::tools
