// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The built program `digfusion` as a user runs it, on small pictures in a folder of the test's own.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "core/tools/subprocess.h"
#include "tests/core/metrics/temporary_folder.h"

namespace digfusion::tools {

using Words = std::vector<std::string>;

/// Path of the program, from the environment variable DIGFUSION_PROGRAM.
std::string program();

/// The environment variable, or an empty text.
std::string environment(const char* name);

/// Runs it with these arguments.
ProcessResult digfusion(const Words& arguments);

/// Runs a line of shell, in which "$0" is the program.
ProcessResult shell(const std::string& line);

/// 0, nothing on standard error.
void expect_success(const ProcessResult& result);

/// `code` and, on standard error, one line (with the code 2 another one that points to --help) that starts
/// with "digfusion: " and holds all `parts`.
void expect_failure(const ProcessResult& result, int code, const Words& parts);

void expect_part(const std::string& text, const std::string& part);

/// A picture with large and small structure, different for each seed; CV_8UC1 by default.
cv::Mat picture(int seed, int type = CV_8UC1, cv::Size size = {64, 48});

/// True when both have the same type, size and samples.
bool equal(const cv::Mat& a, const cv::Mat& b);

class ProgramTest : public testing::Test {
 protected:
  std::string at(const std::string& name) const { return (folder.path / name).string(); }
  /// Writes a file; makes its folder.
  std::string write(const std::string& name, const cv::Mat& picture) const;
  std::string write(const std::string& name, const std::string& bytes) const;

  TemporaryFolder folder;
};

}  // namespace digfusion::tools
