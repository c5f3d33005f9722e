// SPDX-License-Identifier: LGPL-2.1-or-later
//
// digfusion-analyse as its user starts it: with the real core, on generated scenes and on files made here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>
#include <sstream>

#include "tests/core/metrics/temporary_folder.h"
#include "tests/programs/analyse/onnx.h"
#include "tests/programs/child.h"

namespace digfusion {
namespace {

using nlohmann::json;
using test::Child;
using testing::HasSubstr;

Child analyse(std::vector<std::string> arguments,
              const std::vector<std::pair<std::string, std::string>>& extra = {}) {
  arguments.insert(arguments.begin(), test::environment("DIGFUSION_ANALYSE"));
  return Child(arguments, extra);
}

/// Each line parsed; a line that is no JSON throws.
std::vector<json> parsed(const std::string& text) {
  std::vector<json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
  return lines;
}

int count(const std::vector<json>& lines, const char* list) {
  int total = 0;
  for (const json& line : lines) total += static_cast<int>(line.at(list).size());
  return total;
}

/// A YUV4MPEG2 file of `frames` dark pictures, 128 by 128, with a bright square of 32 that jumps by 32 to the
/// right at every picture.
void write_square_video(const std::string& path, int frames) {
  constexpr int size = 128;
  std::ofstream file(path, std::ios::binary);
  file << "YUV4MPEG2 W128 H128 F25:1 Ip A1:1 C420\n";
  for (int i = 0; i < frames; ++i) {
    std::string luma(size * size, 20);
    for (int y = 64; y < 96; ++y) luma.replace(y * size + 32 * (i % 4), 32, 32, static_cast<char>(230));
    file << "FRAME\n" << luma << std::string(size * size / 2, static_cast<char>(128));
  }
}

// ---- objects

TEST(Analyse, ModelFindsTheSquareInEveryPictureOfAFile) {
  const TemporaryFolder folder;
  const std::string video = folder.path / "square.y4m", model = folder.path / "m.onnx";
  write_square_video(video, 8);
  std::ofstream(model, std::ios::binary) << test::bright_square_model(64, test::Layout::columns);
  std::ofstream(folder.path / "names") << "cold\nhot\n";
  const std::string lines_path = folder.path / "lines.json";
  const Child child = analyse({video, video, "--detector", model, "--detector-size", "64x64", "--classes",
                               folder.path / "names", "--threshold", "0.6", "--json", lines_path});
  ASSERT_EQ(child.wait(), 0) << child.err();
  EXPECT_EQ(child.out(), "");
  const std::vector<json> lines = parsed(read_text(lines_path));
  ASSERT_EQ(lines.size(), 8u);
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(lines[i]["frame"], i);
    EXPECT_NEAR(lines[i]["running_time"].get<double>(), i * .04, .002);
    EXPECT_EQ(lines[i]["size"], json({128, 128}));
    EXPECT_EQ(lines[i]["fused"], true);
    EXPECT_EQ(lines[i]["motion"], json::array());
    ASSERT_EQ(lines[i]["objects"].size(), 1u);
    EXPECT_EQ(lines[i]["objects"][0]["type"], "hot");
    EXPECT_EQ(lines[i]["objects"][0]["box"], json({32 * (i % 4), 64, 32, 32}));
    EXPECT_EQ(lines[i]["objects"][0]["age"], 0);
  }
}

TEST(Analyse, HogFindsThePeopleOfAScene) {
  const Child child = analyse({"--test", "smoke", "--every-frame", "--frames", "4", "--quiet"});
  ASSERT_EQ(child.wait(), 0) << child.err();
  EXPECT_EQ(child.err(), "");
  const std::vector<json> lines = parsed(child.out());
  ASSERT_FALSE(lines.empty());
  EXPECT_GE(count(lines, "objects"), 2);
  for (const json& line : lines)
    for (const json& object : line["objects"]) EXPECT_EQ(object["type"], "person");
}

// ---- motion

TEST(Analyse, FindsMotionInAMovingSceneAndNoneInAStillOne) {
  for (const auto& [scene, moves] : {std::pair("day-glare", true), std::pair("still", false)}) {
    const Child child = analyse({"--test", scene, "--size", "320x240", "--every-frame", "--motion",
                                 "--no-detection", "--frames", "16", "--all-frames"});
    ASSERT_EQ(child.wait(), 0) << child.err();
    const std::vector<json> lines = parsed(child.out());
    EXPECT_EQ(lines.size(), 16u);
    EXPECT_EQ(count(lines, "motion") > 0, moves) << scene;
    EXPECT_EQ(count(lines, "objects"), 0);
  }
}

// ---- live

TEST(Analyse, LiveSceneIsAnalysedUntilItIsInterrupted) {
  Child child = analyse({"--test", "night", "--size", "320x240", "--all-frames"});
  ASSERT_TRUE(child.out_has("\"frame\":10,")) << child.err();
  child.signal(SIGINT);
  ASSERT_EQ(child.wait(), 0) << child.err();
  const std::vector<json> lines = parsed(child.out());
  double time = -1;
  for (const json& line : lines) {
    EXPECT_GT(line["running_time"].get<double>(), time);
    time = line["running_time"];
  }
}

TEST(Analyse, SnapshotShowsTheBoxes) {
  const TemporaryFolder folder;
  const std::string video = folder.path / "square.y4m", model = folder.path / "m.onnx",
                    picture = folder.path / "shot.png";
  write_square_video(video, 1);
  std::ofstream(model, std::ios::binary) << test::bright_square_model(64, test::Layout::rows);
  const Child child = analyse({video, video, "--detector", model, "--detector-size", "64x64", "--threshold",
                               "0.6", "--snapshot", picture});
  ASSERT_EQ(child.wait(), 0) << child.err();
  const cv::Mat shot = cv::imread(picture);
  ASSERT_FALSE(shot.empty());
  ASSERT_EQ(shot.rows, shot.cols);
  // The window enlarges small pictures.
  const auto at = [&](double x, double y) {
    return shot.at<cv::Vec3b>(static_cast<int>(y / 128 * shot.rows), static_cast<int>(x / 128 * shot.cols));
  };
  // Green on the lower edge of the box, gray inside.
  const cv::Vec3b edge = at(16.5, 95.5), inside = at(16.5, 85);
  EXPECT_GT(edge[1], edge[0] + 60);
  EXPECT_NEAR(inside[1], inside[0], 12);
}

// ---- the report

/// Values of a line of report.csv.
std::vector<double> numbers(const std::string& line) {
  std::vector<double> values;
  std::istringstream stream(line);
  for (std::string field; std::getline(stream, field, ',');) values.push_back(std::stod(field));
  return values;
}

/// Means of the columns visible, infrared, fused.
std::vector<double> means_of(const std::filesystem::path& csv) {
  std::istringstream stream(read_text(csv));
  std::string line;
  std::getline(stream, line);
  EXPECT_EQ(line, "time,visible,infrared,fused,visible_confidence,infrared_confidence,fused_confidence");
  std::vector<double> sums(3);
  int rows = 0;
  for (; std::getline(stream, line); ++rows)
    for (int i = 0; i < 3; ++i) sums[i] += numbers(line).at(i + 1);
  for (double& sum : sums) sum /= rows;
  return sums;
}

TEST(Report, FindsMorePeopleInTheFusedPictureThanBehindSmoke) {
  const TemporaryFolder folder;
  const Child child = analyse({"--test", "smoke", "--frames", "4", "--report", folder.path / "report"});
  ASSERT_EQ(child.wait(), 0) << child.err();
  EXPECT_THAT(child.err(), HasSubstr("4 pictures compared"));
  const std::vector<double> means = means_of(folder.path / "report" / "report.csv");
  EXPECT_GT(means[2], means[0]);
  EXPECT_GE(means[2], 1);
  const std::string text = read_text(folder.path / "report" / "report.md");
  EXPECT_THAT(text, HasSubstr("| fused "));
  EXPECT_THAT(text, HasSubstr("pictures: 4"));
  EXPECT_EQ(cv::imread(folder.path / "report" / "frame-000000.png").size(), cv::Size(3 * 640, 480));
}

TEST(Report, FindsThePeopleOfARealClip) {
  const std::filesystem::path data = test::environment("DIGFUSION_TEST_DATA");
  if (data.empty()) GTEST_SKIP() << "DIGFUSION_TEST_DATA isn't set";
  const TemporaryFolder folder;
  const std::string clip = "0111_1716.mp4";
  const Child child = analyse({data / "data/video/visible" / clip, data / "data/video/infrared" / clip,
                               "--frames", "3", "--report", folder.path});
  ASSERT_EQ(child.wait(), 0) << child.err();
  for (const double mean : means_of(folder.path / "report.csv")) EXPECT_GE(mean, 1);
}

// ---- what can be wrong

void expect_failure(const std::vector<std::string>& arguments, int exit_code, const std::string& why) {
  const Child child = analyse(arguments);
  EXPECT_EQ(child.wait(), exit_code) << child.err();
  EXPECT_THAT(child.err(), HasSubstr("digfusion-analyse: "));
  EXPECT_THAT(child.err(), HasSubstr(why));
}

TEST(Errors, OfTheCommandLineAreExplained) {
  expect_failure({"--test", "--no-detection"}, 2, "--motion");
  expect_failure({"--test", "--mqtt", "mqtt://u:secret@host"}, 2, "the topic is missing");
  expect_failure({"--test", "--report", "x", "--json", "y"}, 2, "--report");
  expect_failure({"--test", "--detector-size", "big"}, 2, "640x640");
  expect_failure({"--test", "--only", "car"}, 2, "only people");
  expect_failure({"rtsp://127.0.0.1/a", "rtsp://127.0.0.1/b", "--every-frame"}, 2, "a camera doesn't wait");
}

TEST(Errors, OfModelsAndFilesAreExplained) {
  const TemporaryFolder folder;
  const std::string model = folder.path / "map.onnx";
  std::ofstream(model, std::ios::binary) << test::map_model(64);
  expect_failure({"--test", "--detector", "/nowhere/m.onnx"}, 1, "/nowhere/m.onnx can't be read");
  expect_failure({"--test", "--detector", model, "--detector-size", "64x64"}, 1, "[1, 7, 4, 4]");
  expect_failure({"--test", "--json", "/nowhere/lines.json"}, 1, "No such file");
  expect_failure({"--test", "--report", model}, 1, "can't be made");
}

TEST(Errors, MissingMotioncellsNamesItsPackage) {
  // GStreamer's own folder of plugins, but for OpenCV's.
  const std::filesystem::path system = test::environment("DIGFUSION_SYSTEM_PLUGINS");
  const TemporaryFolder folder;
  for (const char* name : {"app", "coreelements", "videoconvertscale"})
    std::filesystem::create_symlink(system / ("libgst" + std::string(name) + ".so"),
                                    folder.path / ("libgst" + std::string(name) + ".so"));
  const Child child = analyse({"--test", "--motion"}, {{"GST_PLUGIN_SYSTEM_PATH", folder.path},
                                                       {"GST_REGISTRY", folder.path / "registry.bin"}});
  EXPECT_EQ(child.wait(), 1);
  EXPECT_THAT(child.err(), HasSubstr("apt-get install gstreamer1.0-opencv"));
}

}  // namespace
}  // namespace digfusion
