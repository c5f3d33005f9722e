// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion verify`: reference vectors that a denoiser agrees with, and those that it doesn't.
#include <algorithm>
#include <cstdint>

#include "tests/tools/model_test.h"
#include "tests/tools/safetensors_edit.h"

namespace digfusion::tools {
namespace {

std::size_t lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

ProcessResult verify(const std::string& model, const std::string& vectors, const Words& more = {}) {
  Words words = {"verify", "--model", model, "--vectors", vectors};
  words.insert(words.end(), more.begin(), more.end());
  return digfusion(words);
}

/// With the embedded denoiser: vectors of the schedule, which the test computes too.
class Verify : public ProgramTest {
 protected:
  Verify() {
    const std::vector<std::int64_t> timesteps = {0, 500, 999};  // halves to even
    std::vector<double> alphas;
    double alpha_bar = 1;
    for (int t = 0; t < 1000; ++t) {
      alpha_bar *= 1 - (1e-4 + (0.02 - 1e-4) * t / 999);  // the linear schedule
      if (std::find(timesteps.begin(), timesteps.end(), t) != timesteps.end()) alphas.push_back(alpha_bar);
    }
    vectors.add("x", "F32", {1, 1, 16, 16}, std::vector<float>(256, 0.25f));
    vectors.add("t", "I64", {1}, std::vector<std::int64_t>{17});
    vectors.add("respaced_timesteps", "I64", {3}, timesteps);
    vectors.add("alphas_cumprod_respaced", "F64", {3}, alphas);
  }
  ProcessResult verify(const Words& more = {}) const {
    return tools::verify(denoiser, write("vectors.safetensors", vectors.bytes()), more);
  }

  const std::string denoiser = embedded_denoiser();
  SafetensorsParts vectors;
};

TEST_F(Verify, PrintsALineForEachTensorThatIsCompared) {
  const ProcessResult result = verify();
  expect_success(result);
  EXPECT_EQ(lines(result.out), 3u) << result.out;
  for (const char* part :
       {"tensor ", "relative error", "tolerance", "\nrespaced_timesteps ", "\nalphas_cumprod_respaced "})
    expect_part(result.out, part);
  vectors.add("something_else", "F32", {1}, std::vector<float>{1});
  const ProcessResult more = verify();
  expect_success(more);
  expect_part(more.out, "something_else           not known, not compared");
}

TEST_F(Verify, GivesTheExitCode1WhereATensorIsTooFar) {
  vectors.add("output", "F32", {1, 1, 16, 16}, std::vector<float>(256, 3.f));
  const ProcessResult result = verify();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(lines(result.out), 4u) << result.out;
  expect_part(result.out, "TOO LARGE");
  EXPECT_EQ(result.out.find("TOO LARGE"), result.out.rfind("TOO LARGE")) << result.out;
  expect_success(verify({"--tolerance", "100"}));
}

TEST_F(Verify, NamesAShapeThatIsWrongAndTheOneExpected) {
  vectors.add("output", "F32", {1, 3, 16, 16}, std::vector<float>(768, 0.f));
  const ProcessResult result = verify();
  EXPECT_EQ(result.exit_code, 1);
  expect_part(result.out, "output                   has shape [1, 3, 16, 16], expected [1, 1, 16, 16]");
  vectors.add("x", "F32", {1, 3, 16, 16}, std::vector<float>(768, 0.f));
  expect_failure(verify(), 1,
                 {"vectors.safetensors",
                  "x has shape [1, 3, 16, 16], expected pictures of 1 channels, height and width"});
  vectors.add("x", "F32", {2, 1, 16, 16}, std::vector<float>(512, 0.f));
  expect_failure(verify(), 1, {"t and x are of different lengths"});
}

TEST_F(Verify, NamesAVectorThatIsMissing) {
  vectors.add("output", "F32", {1, 1, 16, 16}, std::vector<float>(256, 0.f));
  SafetensorsParts whole = vectors;
  vectors.header.erase("t");
  expect_failure(verify(), 1, {"vectors.safetensors", "tensor \"t\" is missing"});
  vectors = whole;
  vectors.header.erase("x");
  expect_failure(verify(), 1, {"tensor \"x\" is missing"});
  vectors = whole;
  vectors.header.erase("respaced_timesteps");
  expect_failure(verify(), 1, {"tensor \"respaced_timesteps\" is missing"});
  vectors.header = {{"x", whole.header["x"]}, {"t", whole.header["t"]}};
  expect_failure(verify(), 1, {"nothing in it can be compared"});
}

TEST_F(Verify, RefusesTimestepsThatTheScheduleHasNot) {
  vectors.add("output", "F32", {1, 1, 16, 16}, std::vector<float>(256, 0.f));
  vectors.add("t", "I64", {1}, std::vector<std::int64_t>{1000});
  expect_failure(verify(), 1, {"tensor \"t\" has the timestep 1000"});
  vectors.add("t", "F32", {1}, std::vector<float>{17});
  expect_failure(verify(), 1, {"tensor \"t\" isn't a list of timesteps"});
}

TEST_F(Verify, NamesFilesThatCantBeRead) {
  expect_failure(tools::verify(denoiser, at("none")), 1, {"none", "can't be opened"});
  expect_failure(tools::verify(denoiser, write("text", std::string("no vectors"))), 1,
                 {"text", "safetensors"});
  const std::string bytes = vectors.bytes();
  expect_failure(tools::verify(denoiser, write("cut", bytes.substr(0, bytes.size() - 9))), 1,
                 {"cut", "truncated"});
  expect_failure(tools::verify(at("none.pt"), write("vectors", bytes)), 1, {"none.pt", "No such file"});
  expect_failure(digfusion({"verify", "--model", denoiser}), 2, {"--vectors"});
}

class VerifyReference : public ReferenceTest {
 protected:
  /// The vectors of adm_tiny that one evaluation gives.
  std::string evaluation() const {
    SafetensorsParts vectors = read_safetensors_parts(reference("adm_tiny.golden.safetensors"));
    vectors.header.erase("ddim25_sample");
    return write("vectors.safetensors", vectors.bytes());
  }
};

TEST_F(VerifyReference, AllVectorsOfEachNetworkAgreeInEachPrecision) {
  for (const char* name : {"adm_tiny", "adm_heads", "adm_new_order"}) {
    const std::string vectors = reference(std::string(name) + ".golden.safetensors");
    const auto header = read_safetensors_parts(vectors).header;
    for (const char* precision : {"float32", "float16", "bfloat16"}) {
      SCOPED_TRACE(std::string(name) + " in " + precision);
      const ProcessResult result =
          verify(reference(std::string(name) + ".pt"), vectors, {"--precision", precision});
      expect_success(result);
      for (const auto& [tensor, entry] : header.items()) {
        if (tensor != "x" && tensor != "t" && tensor != "__metadata__")
          expect_part(result.out, "\n" + tensor + " ");
      }
      EXPECT_EQ(result.out.find("not compared"), std::string::npos) << result.out;
    }
  }
}

TEST_F(VerifyReference, OneEvaluationAgreesInEveryFormat) {
  const std::string vectors = evaluation();
  expect_success(verify(reference("adm_tiny.legacy.pt"), vectors));
  expect_success(verify(reference("adm_tiny.safetensors"), vectors));
  // Weights that were rounded to float16 are as far off as a network in float16.
  expect_success(verify(reference("adm_tiny.half.pt"), vectors, {"--precision", "float16"}));
}

TEST_F(VerifyReference, AToleranceThatIsTooSmallIsTheExitCode1) {
  const ProcessResult result = verify(reference("adm_tiny.pt"), evaluation(), {"--tolerance", "1e-9"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err, "");
  expect_part(result.out, "TOO LARGE");
}

TEST_F(VerifyReference, AWrongConfigurationNamesTheTensorAndBothShapes) {
  const std::string vectors = reference("adm_tiny.golden.safetensors");
  expect_failure(verify(reference("adm_tiny.pt"), vectors, {"--config", reference("adm_heads.json")}), 1,
                 {"adm_tiny.pt",
                  "tensor \"input_blocks.1.0.emb_layers.1.weight\" has shape [64, 128], expected [32, 128]"});
  expect_failure(verify(reference("adm_tiny.pt"), vectors, {"--config", at("none.json")}), 1, {"none.json"});
}

}  // namespace
}  // namespace digfusion::tools
