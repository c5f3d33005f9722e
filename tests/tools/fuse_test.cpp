// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion fuse`: what it makes of good pictures. That they equal the element's is tested in
// tests/pipeline.
#include <nlohmann/json.hpp>
#include <opencv2/imgproc.hpp>

#include "core/tools/pictures.h"
#include "tests/tools/program.h"

namespace fs = std::filesystem;

namespace digfusion::tools {
namespace {

class Fuse : public ProgramTest {
 protected:
  /// Fuses two files into `output` and reads that; empty when it failed.
  cv::Mat fuse(const std::string& visible, const std::string& infrared, const std::string& output,
               const Words& more = {}) {
    Words words = {"fuse", "--visible", visible, "--infrared", infrared, "--output", at(output), "--quiet"};
    words.insert(words.end(), more.begin(), more.end());
    const ProcessResult result = digfusion(words);
    expect_success(result);
    EXPECT_EQ(result.out, "");
    return result.exit_code == 0 ? read_picture(at(output)) : cv::Mat();
  }
};

TEST_F(Fuse, GivesBackAPictureFusedWithItselfInEveryDepthAndColour) {
  for (const int type : {CV_8UC1, CV_8UC3, CV_8UC4, CV_16UC1, CV_16UC3, CV_16UC4}) {
    const cv::Mat original = picture(type, type);
    const std::string file = write("same.png", original);
    const cv::Mat fused = fuse(file, file, "fused.png", {"--method", "amortised", "--gain-control", "full"});
    ASSERT_EQ(fused.type(), original.type());
    EXPECT_LE(cv::norm(fused, original, cv::NORM_INF), CV_MAT_DEPTH(type) == CV_16U ? 1 : 0) << type;
  }
}

TEST_F(Fuse, KeepsDifferencesOfColoursAndAlphaOfTheVisiblePicture) {
  // Dark enough that nothing is clipped.
  const cv::Mat visible = picture(1, CV_8UC4) / 4 + cv::Scalar(60, 80, 100, 0);
  const cv::Mat fused =
      fuse(write("v.png", visible), write("i.png", picture(2)), "fused.png", {"--method", "amortised"});
  ASSERT_EQ(fused.type(), CV_8UC4);
  EXPECT_FALSE(equal(fused, visible));
  cv::Mat before[4], after[4];
  cv::split(visible, before);
  cv::split(fused, after);
  EXPECT_TRUE(equal(before[3], after[3]));
  cv::Mat change[3];
  for (int c = 0; c < 3; ++c) cv::subtract(after[c], before[c], change[c], {}, CV_16S);
  EXPECT_TRUE(equal(change[0], change[1]));
  EXPECT_TRUE(equal(change[0], change[2]));
}

TEST_F(Fuse, TakesTheLumaOfAColouredInfraredPicture) {
  const cv::Mat colour = picture(2, CV_8UC3);
  cv::Mat gray;
  cv::cvtColor(colour, gray, cv::COLOR_BGR2GRAY);
  const std::string visible = write("v.png", picture(1));
  EXPECT_TRUE(
      equal(fuse(visible, write("c.png", colour), "a.png"), fuse(visible, write("g.png", gray), "b.png")));
}

TEST_F(Fuse, FitsAnInfraredPictureOfAnotherSizeAndDepth) {
  const std::string visible = write("v.tif", picture(1, CV_8UC1, {50, 37}));
  const cv::Mat fused = fuse(visible, write("i.tiff", picture(2, CV_16UC1, {33, 80})), "fused.bmp");
  EXPECT_EQ(fused.size(), cv::Size(50, 37));
  EXPECT_EQ(fused.type(), CV_8UC1);
}

TEST_F(Fuse, BringsTheRawPictureOfAThermalCameraToGray) {
  const std::string visible = write("v.png", picture(1));
  const cv::Mat gray = picture(2);
  cv::Mat raw;
  gray.convertTo(raw, CV_16U, 4, 29000);
  const std::string eight = write("i.png", gray), sixteen = write("i16.png", raw);
  const cv::Mat wanted = fuse(visible, eight, "wanted.png");
  const cv::Mat by_range = fuse(visible, sixteen, "range.png", {"--thermal-range", "29000..30020"});
  EXPECT_LE(cv::norm(by_range, wanted, cv::NORM_INF), 1);  // a rounding
  const cv::Mat stretched = fuse(visible, sixteen, "stretched.png");
  const cv::Mat flat = fuse(visible, sixteen, "flat.png", {"--gain-control", "full"});
  EXPECT_GT(cv::norm(stretched, flat, cv::NORM_L1) / double(gray.total()), 4);
}

TEST_F(Fuse, ShowsWhatTheModeAsksFor) {
  const cv::Mat visible = picture(1, CV_8UC3), gray = picture(2, CV_8UC1, visible.size());
  const std::string v = write("v.png", visible), i = write("i.png", gray);
  cv::Mat infrared;
  cv::cvtColor(gray, infrared, cv::COLOR_GRAY2BGR);
  EXPECT_TRUE(equal(fuse(v, i, "visible.png", {"--mode", "visible"}), visible));
  EXPECT_TRUE(equal(fuse(v, i, "infrared.png", {"--mode", "infrared"}), infrared));
  cv::Mat both;
  cv::hconcat(visible, infrared, both);
  EXPECT_TRUE(equal(fuse(v, i, "both.png", {"--mode", "side-by-side"}), both));
  const int left = visible.cols / 4;
  cv::Mat split = infrared.clone();
  visible.colRange(0, left).copyTo(split.colRange(0, left));
  EXPECT_TRUE(
      equal(fuse(v, i, "split.png",
                 {"--mode", "split", "--split-position", std::to_string(double(left) / visible.cols)}),
            split));
  const ProcessResult refused =
      digfusion({"fuse", "--visible", i, "--infrared", v, "--output", at("x.png"), "--palette", "iron"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("parameter palette: a gray picture can't show colours"), std::string::npos)
      << refused.err;
  const ProcessResult task = digfusion(
      {"fuse", "--inputs", v, v, "--output", at("x.png"), "--task", "focus", "--mode", "side-by-side"});
  EXPECT_EQ(task.exit_code, 1);
  EXPECT_NE(task.err.find("only --mode fused"), std::string::npos) << task.err;
}

TEST_F(Fuse, FusesFoldersByStemAndWritesPngForJpeg) {
  write("v/a.jpg", picture(1, CV_8UC3));
  write("v/b.tif", picture(2, CV_16UC1));
  write("i/a.png", picture(3));
  write("i/b.bmp", picture(4, CV_8UC1, {32, 24}));
  write("out/deep/b.tif", std::string("an older file"));
  const ProcessResult result = digfusion({"fuse", "--visible", at("v"), "--infrared", at("i"), "--output",
                                          at("out/deep"), "--precision", "float32"});
  expect_success(result);
  EXPECT_EQ(read_picture(at("out/deep/a.png")).type(), CV_8UC3);
  EXPECT_EQ(read_picture(at("out/deep/b.tif")).type(), CV_16UC1);
  EXPECT_EQ(std::distance(fs::directory_iterator(at("out/deep")), {}), 2);
  for (const char* part :
       {"fused 2 of 2 pictures on cpu in float32", "student.safetensors", "ms a picture (read ", "fuse "})
    expect_part(result.out, part);
}

TEST_F(Fuse, MakesTheFolderOfASinglePicture) {
  const std::string v = write("v.jpg", picture(1)), i = write("i.png", picture(2));
  EXPECT_FALSE(fuse(v, i, "new/folder/fused.png").empty());
  // A folder as output is given the visible picture's name.
  expect_success(digfusion({"fuse", "--visible", v, "--infrared", i, "--output", at("other/"), "-q"}));
  EXPECT_TRUE(equal(read_picture(at("other/v.png")), read_picture(at("new/folder/fused.png"))));
}

TEST_F(Fuse, RunsThePapersSamplingEndToEnd) {
  const std::string v = write("v.png", picture(1)), i = write("i.png", picture(2));
  const ProcessResult result =
      digfusion({"fuse", "--visible", v, "--infrared", i, "--output", at("f.png"), "--preset", "paper"});
  expect_success(result);
  expect_part(result.out, "denoiser.safetensors");
  const cv::Mat fused = read_picture(at("f.png")), average = (picture(1) + picture(2)) / 2;
  cv::Mat smooth, smooth_average;
  cv::GaussianBlur(fused, smooth, {}, 4);
  cv::GaussianBlur(average, smooth_average, {}, 4);
  // Equal weights within a few percent, by τ = 1: large structure is near the average.
  EXPECT_LT(cv::norm(smooth, smooth_average, cv::NORM_L1) / double(fused.total()), 40);
  EXPECT_FALSE(equal(fused, picture(1)));
}

TEST_F(Fuse, AppliesThePresetBeforeTheOtherParametersWhateverTheirOrder) {
  const std::string v = write("v.png", picture(1)), i = write("i.png", picture(2));
  const cv::Mat before = fuse(v, i, "a.png", {"--steps", "3", "--preset", "paper"});
  const cv::Mat after = fuse(v, i, "b.png", {"--preset", "paper", "--steps", "3"});
  const cv::Mat spelled =
      fuse(v, i, "c.png",
           {"--method", "guided", "--steps", "3", "--temperature", "1", "--draws", "1", "--smoothing", "0"});
  EXPECT_TRUE(equal(before, after));
  EXPECT_TRUE(equal(before, spelled));
  EXPECT_FALSE(equal(before, fuse(v, i, "d.png", {"--preset", "paper", "--steps", "4"})));
}

TEST_F(Fuse, GivesTheSameBytesForTheSameSeedAndThreads) {
  const std::string v = write("v.png", picture(1)), i = write("i.png", picture(2));
  const auto bytes = [&](const char* output, const char* seed) {
    fuse(v, i, output,
         {"--method", "bandwise", "--levels", "200", "--draws", "2", "--threads", "1", "--seed", seed});
    return read_text(at(output));
  };
  const std::string first = bytes("a.png", "7");
  EXPECT_EQ(first, bytes("b.png", "7"));
  EXPECT_NE(first, bytes("c.png", "8"));
}

/// A picture that is sharp between two columns and blurred elsewhere.
cv::Mat focused(const cv::Mat& scene, int from, int to) {
  cv::Mat result;
  cv::GaussianBlur(scene, result, {}, 3);
  scene.colRange(from, to).copyTo(result.colRange(from, to));
  return result;
}

TEST_F(Fuse, ChoosesTheSharpPictureOfSeveralInColour) {
  cv::Mat scene = picture(3, CV_8UC3, {192, 96}), coarse;
  cv::GaussianBlur(scene, coarse, {}, 1);  // as pictures are: no noise between neighbours
  Words words = {"fuse", "--inputs"};
  cv::Mat average = cv::Mat::zeros(coarse.size(), CV_32FC3);
  for (int i = 0; i < 3; ++i) {
    const cv::Mat one = focused(coarse, 64 * i, 64 * (i + 1));
    words.push_back(write("focus" + std::to_string(i) + ".png", one));
    cv::accumulate(one, average);
  }
  words.insert(words.end(), {"--task", "focus", "--output", at("fused.png"), "-q"});
  expect_success(digfusion(words));
  const cv::Mat fused = read_picture(at("fused.png"));
  ASSERT_EQ(fused.type(), CV_8UC3);
  average.convertTo(average, CV_8U, 1 / 3.0);
  EXPECT_LT(cv::norm(luma(fused), luma(coarse)), 0.5 * cv::norm(luma(average), luma(coarse)));
}

TEST_F(Fuse, GivesBackAPictureFusedWithItselfInEveryDepthAndColourOfATask) {
  for (const int type : {CV_8UC1, CV_8UC3, CV_8UC4, CV_16UC1, CV_16UC3, CV_16UC4}) {
    const cv::Mat original = picture(type, type);
    const std::string file = write("same.png", original);
    expect_success(digfusion(
        {"fuse", "--inputs", file, file, file, "--task", "medical", "--output", at("f.png"), "-q"}));
    const cv::Mat fused = read_picture(at("f.png"));
    ASSERT_EQ(fused.type(), original.type());
    EXPECT_LE(cv::norm(fused, original, cv::NORM_INF), CV_MAT_DEPTH(type) == CV_16U ? 0.001 * 65535 : 1)
        << type;
  }
}

TEST_F(Fuse, TakesVisibleAndInfraredAsInputsToo) {
  const std::string v = write("v.png", picture(1, CV_8UC3)),
                    i = write("i.png", picture(2, CV_8UC1, {40, 40}));
  const cv::Mat named = fuse(v, i, "named.png");
  expect_success(digfusion({"fuse", "--inputs", v, i, "--output", at("listed.png"), "-q"}));
  EXPECT_TRUE(equal(named, read_picture(at("listed.png"))));
  expect_success(digfusion({"fuse", "--inputs", v, i, i, "--output", at("three.png"), "-q"}));
  EXPECT_EQ(read_picture(at("three.png")).type(), CV_8UC3);
}

TEST_F(Fuse, PairsPicturesByTheEndingsOfTheirNames) {
  for (const char* name : {"x", "y"})
    for (const char* ending : {"_A", "_B"}) {
      write(std::string("one/") + name + ending + ".png", picture(*name + *(ending + 1)));
      write("several/" + std::string(ending) + "/" + name + ending + ".png", picture(*name + *(ending + 1)));
    }
  expect_success(digfusion({"fuse", "--inputs", at("one"), "--task", "exposure", "--output", at("a"), "-q"}));
  expect_success(digfusion({"fuse", "--inputs", at("several/_A"), at("several/_B"), "--task", "exposure",
                            "--output", at("b"), "-q"}));
  for (const char* name : {"x.png", "y.png"})
    EXPECT_TRUE(
        equal(read_picture(at(std::string("a/") + name)), read_picture(at(std::string("b/") + name))));
}

TEST_F(Fuse, ReportsTheEvaluationsOfEachPicture) {
  write("v/a.png", picture(1));
  write("v/b.png", picture(2));
  write("i/a.png", picture(3));
  write("i/b.png", std::string("damaged"));
  const ProcessResult result = digfusion({"fuse", "--visible", at("v"), "--infrared", at("i"), "--output",
                                          at("out"), "--preset", "paper", "--report", at("report.json")});
  EXPECT_EQ(result.exit_code, 1);
  expect_part(result.out, "31 evaluations");
  const nlohmann::json report = nlohmann::json::parse(read_text(at("report.json")));
  EXPECT_EQ(report["task"], "visible-infrared");
  EXPECT_EQ(report["parameters"]["method"], "guided");
  EXPECT_EQ(report["parameters"]["steps"], 25);
  ASSERT_EQ(report["pictures"].size(), 2u);
  const nlohmann::json &good = report["pictures"][0], &bad = report["pictures"][1];
  EXPECT_EQ(good["evaluations"], 31);
  EXPECT_GT(good["milliseconds"], 0.0);
  EXPECT_EQ(good["inputs"], (nlohmann::json{at("v/a.png"), at("i/a.png")}));
  EXPECT_EQ(good["output"], at("out/a.png"));
  expect_part(bad["error"], "i/b.png");
  EXPECT_FALSE(bad.contains("evaluations"));
}

TEST_F(Fuse, RunsDdfmsCorrectionOnTheSameDenoiser) {
  const std::string v = write("v.png", picture(1)), i = write("i.png", picture(2));
  const cv::Mat ours = fuse(v, i, "ours.png", {"--preset", "paper", "--steps", "5"});
  const ProcessResult result = digfusion({"fuse", "--visible", v, "--infrared", i, "--output", at("em.png"),
                                          "--preset", "paper", "--steps", "5", "--guidance", "em"});
  expect_success(result);
  expect_part(result.out, " 5 evaluations");
  expect_part(result.out, "denoiser.safetensors");
  EXPECT_FALSE(equal(read_picture(at("em.png")), ours));
}

}  // namespace
}  // namespace digfusion::tools
