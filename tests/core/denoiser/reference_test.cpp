// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Against vectors that the published guided-diffusion code computed. They aren't part of the project: the
// tests look for them in $DIGFUSION_TEST_DATA/reference.
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "core/denoiser/adm_denoiser.h"
#include "core/denoiser/registry.h"
#include "core/denoiser/safetensors.h"

namespace digfusion {
namespace {

class Reference : public testing::TestWithParam<const char*> {
 protected:
  std::filesystem::path folder;

  void SetUp() override {
    const char* data = std::getenv("DIGFUSION_TEST_DATA");
    if (!data) GTEST_SKIP() << "DIGFUSION_TEST_DATA isn't set: no reference vectors";
    folder = std::filesystem::path(data) / "reference";
    if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " isn't there";
  }
  /// The relative error of one evaluation of a checkpoint on the vectors of `vectors`.
  double error_of(const std::string& checkpoint, const std::string& vectors, at::ScalarType dtype) const {
    const c10::InferenceMode inference;
    const TensorMap golden = read_safetensors(folder / (vectors + ".golden.safetensors")).tensors;
    const auto opened = open_denoiser(folder / checkpoint, at::kCPU, dtype, folder / (vectors + ".json"));
    const at::Tensor t = golden.at("t");
    const int timesteps[] = {int(t[0].item<std::int64_t>()), int(t[1].item<std::int64_t>())};
    const at::Tensor output = dynamic_cast<const AdmDenoiser&>(*opened).evaluate(golden.at("x"), timesteps);
    const at::Tensor expected = golden.at("output");
    return ((output - expected).abs().max() / expected.abs().max()).item<double>();
  }
};

TEST_P(Reference, OneEvaluationAgrees) {
  const std::string name = GetParam();
  EXPECT_LT(error_of(name + ".pt", name, at::kFloat), 1e-5);
  EXPECT_LT(error_of(name + ".pt", name, at::kHalf), 1e-2);
  EXPECT_LT(error_of(name + ".pt", name, at::kBFloat16), 1e-1);
}
INSTANTIATE_TEST_SUITE_P(Networks, Reference, testing::Values("adm_tiny", "adm_heads", "adm_new_order"));

TEST_F(Reference, EveryFormatIsRead) {
  EXPECT_LT(error_of("adm_tiny.legacy.pt", "adm_tiny", at::kFloat), 1e-5);
  EXPECT_LT(error_of("adm_tiny.safetensors", "adm_tiny", at::kFloat), 1e-5);
  EXPECT_LT(error_of("adm_tiny.half.pt", "adm_tiny", at::kFloat), 5e-3);
  EXPECT_LT(error_of("adm_tiny.half.pt", "adm_tiny", at::kHalf), 1e-2);
}

}  // namespace
}  // namespace digfusion
