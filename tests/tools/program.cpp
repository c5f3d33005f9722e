// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/tools/program.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <opencv2/imgproc.hpp>

#include "core/tools/pictures.h"

namespace digfusion::tools {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string program() { return environment("DIGFUSION_PROGRAM"); }

ProcessResult digfusion(const Words& arguments) {
  Words command = {program()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run_process(command);
}

ProcessResult shell(const std::string& line) { return run_process({"sh", "-c", line, program()}); }

void expect_success(const ProcessResult& result) {
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err, "");
}

void expect_failure(const ProcessResult& result, int code, const Words& parts) {
  EXPECT_EQ(result.exit_code, code) << result.err;
  EXPECT_TRUE(result.err.starts_with("digfusion: ")) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), code == 2 ? 2 : 1) << result.err;
  for (const std::string& part : parts) expect_part(result.err, part);
}

void expect_part(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "text: " << text << "\nlacks: " << part;
}

cv::Mat picture(int seed, int type, cv::Size size) {
  cv::RNG random(static_cast<std::uint64_t>(seed) + 1);
  cv::Mat rough(size, CV_32FC(CV_MAT_CN(type))), fine(rough.size(), rough.type()), result;
  random.fill(rough, cv::RNG::UNIFORM, 0, 1);
  cv::GaussianBlur(rough, rough, {}, 6);
  cv::normalize(rough, rough, 0.1, 0.9, cv::NORM_MINMAX);
  random.fill(fine, cv::RNG::NORMAL, 0, 0.02);
  cv::Mat(rough + fine).convertTo(result, type, CV_MAT_DEPTH(type) == CV_16U ? 65535 : 255);
  return result;
}

bool equal(const cv::Mat& a, const cv::Mat& b) {
  return a.type() == b.type() && a.size() == b.size() && cv::norm(a, b, cv::NORM_INF) == 0;
}

std::string ProgramTest::write(const std::string& name, const cv::Mat& picture) const {
  std::filesystem::create_directories((folder.path / name).parent_path());
  write_picture(at(name), picture);
  return at(name);
}

std::string ProgramTest::write(const std::string& name, const std::string& bytes) const {
  std::filesystem::create_directories((folder.path / name).parent_path());
  std::ofstream(at(name), std::ios::binary) << bytes;
  return at(name);
}

}  // namespace digfusion::tools
