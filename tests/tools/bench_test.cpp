// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion bench`: that it measures and prints everything; never how fast.
#include <regex>

#include "tests/tools/program.h"

namespace fs = std::filesystem;

namespace digfusion::tools {
namespace {

class Bench : public ProgramTest {};

TEST_F(Bench, MeasuresTheKernelsAloneBesideTheDevicesCeilings) {
  const ProcessResult result =
      digfusion({"bench", "--kernels", "--device", "cpu", "--size", "64x48", "--frames", "4", "--seconds",
                 "0.02", "--threads", "1", "--precision", "float32"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const char* part :
       {"Ceilings of cpu", "TFLOP/s", "within a graph", "network floor ms", "GPU MiB", "64x48", "upload",
        "noise", "network", "solve", "download", "streams", "| 16, batch-streams=16 "})
    expect_part(result.out, part);
}

TEST_F(Bench, PrintsStagesNetworkAndElementAndWritesThePage) {
  const ProcessResult result =
      digfusion({"bench", "--size", "64x48", "--size", "50x37", "--frames", "4", "--seconds", "0.02",
                 "--threads", "1", "--precision", "float32", "--run", "", "--run", "preset=paper steps=2",
                 "--markdown", at("performance.md")});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const char* part : {"read",
                           "fuse",
                           "write",
                           "total",
                           "p95",
                           "core fps",
                           "element fps",
                           "GFLOP/s",
                           "best convolution",
                           "floor ms",
                           "share",
                           "evaluations",
                           "channels",
                           " evidence |",
                           " weights |",
                           " solve |",
                           " steadiness |",
                           " rest of fuse |",
                           "| defaults",
                           "| preset=paper steps=2",
                           " 50x37 |"})
    expect_part(result.out, part);
  EXPECT_EQ(result.out.find("nan"), std::string::npos) << result.out;
  EXPECT_EQ(result.out.find("inf"), std::string::npos) << result.out;
  // run, size, frames, four stages, p95, core, element, their ratio, cores at 25/s
  const std::regex row(
      R"(\| preset=paper steps=2 +\| +50x37 \| +[0-9]+ (\| +[0-9.]+ ){7}\| +[0-9]+ % \| +([0-9.]+|-) \|)");
  EXPECT_TRUE(std::regex_search(result.out, row)) << result.out << result.err;

  const std::string page = read_text(at("performance.md"));
  for (const char* part :
       {"# Performance", "- processor: ", "- device: cpu\n", "- precision of the networks: float32\n",
        "- models: denoiser.safetensors, gradient-student.safetensors\n", "- LibTorch: 2.", "- date: 20"})
    expect_part(page, part);
  EXPECT_TRUE(std::regex_search(page, row));
}

TEST_F(Bench, MakesANetworkOfRandomWeights) {
  const ProcessResult result =
      digfusion({"bench", "--size", "32x32", "--frames", "3", "--seconds", "0.02", "--threads", "1",
                 "--no-element", "--random-model", "adm-tiny", "--run", "preset=paper steps=2 draws=1"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  // The channels of its scales, not the embedded denoiser's.
  for (const char* channels : {"64", "128"})
    EXPECT_TRUE(std::regex_search(
        result.out, std::regex(std::string(R"(\| preset=paper steps=2 draws=1 +\| +32x32 +\| +)") + channels +
                               R"( +\|)")))
        << result.out;
  const std::size_t at = result.err.find(" to /");
  ASSERT_NE(at, std::string::npos) << result.err;
  const std::string path = result.err.substr(at + 4, result.err.find('\n', at) - at - 4);
  EXPECT_FALSE(fs::exists(fs::path(path).parent_path())) << path;
  expect_failure(digfusion({"bench", "--random-model", "adm-1"}), 2, {"adm-1", "adm-256"});
}

TEST_F(Bench, DoesWithoutTheElement) {
  const ProcessResult result =
      digfusion({"bench", "--size", "32x32", "--frames", "3", "--seconds", "0.02", "--threads", "1",
                 "--no-element", "--method", "bandwise", "--levels", "200", "--draws", "1"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(std::regex_search(result.out, std::regex(R"(\| +- \| +- \| +- \|)"))) << result.out;
}

TEST_F(Bench, RefusesWhatItCantMeasure) {
  for (const char* size : {"64", "64x", "x48", "8x8", "64x48x2", "99999x10"})
    expect_failure(digfusion({"bench", "--size", size}), 2, {size, "WIDTHxHEIGHT"});
  expect_failure(digfusion({"bench", "--run", "fast"}), 2, {"fast", "name=value"});
  expect_failure(digfusion({"bench", "--run", "steps=0"}), 2, {"steps", "from 1 to 1000"});
  expect_failure(digfusion({"bench", "--run", "colour=red"}), 2, {"no parameter", "colour"});
  expect_failure(digfusion({"bench", "--markdown", at("none/page.md")}), 1, {"there is no folder"});
}

}  // namespace
}  // namespace digfusion::tools
