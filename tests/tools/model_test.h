// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What tests of the programs on model files share.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/tools/program.h"

namespace digfusion::tools {

/// Path of the embedded denoiser's file.
inline std::string embedded_denoiser() {
  return nlohmann::json::parse(digfusion({"info", "--json"}).out).at(0).at("file");
}

/// Checkpoints of guided-diffusion networks with what the published code computed: not part of the project.
/// Skipped where they aren't.
class ReferenceTest : public ProgramTest {
 protected:
  void SetUp() override {
    if (environment("DIGFUSION_TEST_DATA").empty())
      GTEST_SKIP() << "DIGFUSION_TEST_DATA isn't set: no reference checkpoints";
    if (!std::filesystem::exists(reference(""))) GTEST_SKIP() << reference("") << " isn't there";
  }
  static std::string reference(const std::string& name) {
    return std::filesystem::path(environment("DIGFUSION_TEST_DATA")) / "reference" / name;
  }
  /// A copy without a JSON file beside it.
  std::string alone(const std::string& name) const {
    std::filesystem::copy_file(reference(name), at("alone.pt"),
                               std::filesystem::copy_options::overwrite_existing);
    return at("alone.pt");
  }
};

}  // namespace digfusion::tools
