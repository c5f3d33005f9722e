// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Detectors: what a YOLO's output means, models as files, HOG on a picture made for it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <opencv2/imgproc.hpp>
#include <optional>

#include "pipelines/analyse/hog.h"
#include "pipelines/analyse/tracker.h"
#include "pipelines/analyse/yolo.h"
#include "pipelines/common/failure.h"
#include "tests/core/metrics/temporary_folder.h"
#include "tests/programs/analyse/onnx.h"

namespace digfusion::pipelines {
namespace {

using testing::HasSubstr;

/// The message of what `function` throws.
template <class Error>
std::string message_of(const std::function<void()>& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

void write_file(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

// ---- outputs

TEST(YoloShape, LongerSideIsTheCandidatesWhereNoNamesAreGiven) {
  const YoloOutput v5 = read_shape({1, 25200, 85}, std::nullopt);
  EXPECT_EQ(v5.layout, YoloOutput::Layout::rows);
  EXPECT_EQ(v5.candidates, 25200);
  EXPECT_EQ(v5.classes, 80);
  const YoloOutput v8 = read_shape({1, 84, 8400}, std::nullopt);
  EXPECT_EQ(v8.layout, YoloOutput::Layout::columns);
  EXPECT_EQ(v8.candidates, 8400);
  EXPECT_EQ(v8.classes, 80);
}

TEST(YoloShape, NamesDecideWhereTheShapeDoesNot) {
  EXPECT_EQ(read_shape({1, 4, 7}, 2).layout, YoloOutput::Layout::rows);
  EXPECT_EQ(read_shape({1, 6, 4}, 2).layout, YoloOutput::Layout::columns);
  EXPECT_EQ(read_shape({1, 84, 8400}, 80).classes, 80);
}

TEST(YoloShape, OthersAreRefusedWithTheirShapeAndWhatIsExpected) {
  const std::vector<std::vector<int>> wrong = {
      {1, 3, 80, 80, 85}, {1, 1000}, {2, 25200, 85}, {1, 4, 4}, {1, 3, 8400}};
  for (const auto& shape : wrong) {
    const std::string why = message_of<Failure>([&] { read_shape(shape, std::nullopt); });
    EXPECT_THAT(why, HasSubstr("[1, N, 5 + classes]"));
    EXPECT_THAT(why, HasSubstr(", " + std::to_string(shape.back()) + "]"));
  }
  EXPECT_THAT(message_of<Failure>([] { read_shape({1, 300, 6}, std::nullopt); }), HasSubstr("with NMS"));
  EXPECT_THAT(message_of<Failure>([] { read_shape({1, 25200, 85}, 3); }), HasSubstr("3 class names"));
}

// Two candidates, two classes; the first is sure of class 1, the second of nothing.
constexpr double sure = .8 * .5;

TEST(YoloDecoding, RowsMultiplyObjectnessAndClassScore) {
  const float rows[] = {100, 50, 20, 10, .5f, .1f, .8f,  //
                        30,  30, 10, 10, .9f, .2f, .3f};
  const auto found = decode(rows, {YoloOutput::Layout::rows, 2, 2}, .35);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].label, 1);
  EXPECT_NEAR(found[0].confidence, sure, 1e-6);
  EXPECT_EQ(found[0].box, cv::Rect2d(90, 45, 20, 10));
}

TEST(YoloDecoding, ColumnsLieTransposedAndHaveNoObjectness) {
  const float columns[] = {100, 30, 50, 30, 20, 10, 10, 10, .1f, .2f, float(sure), .3f};
  const auto found = decode(columns, {YoloOutput::Layout::columns, 2, 2}, .35);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].label, 1);
  EXPECT_NEAR(found[0].confidence, sure, 1e-6);
  EXPECT_EQ(found[0].box, cv::Rect2d(90, 45, 20, 10));
}

TEST(YoloDecoding, NotANumberIsNoDetection) {
  const float none = std::numeric_limits<float>::quiet_NaN();
  const float rows[] = {1, 1, 1, 1, none, .9f, 1, 1, 1, 1, .9f, none};
  EXPECT_TRUE(decode(rows, {YoloOutput::Layout::rows, 2, 1}, .1).empty());
}

TEST(Suppression, KeepsTheSurerOfTwoAndOtherClasses) {
  const cv::Rect2d box(10, 10, 20, 20), near(12, 10, 20, 20), far(60, 10, 20, 20);
  const auto left = suppress({{0, .5, near}, {0, .9, box}, {1, .6, near}, {0, .4, far}}, .5);
  ASSERT_EQ(left.size(), 3u);
  EXPECT_EQ(left[0].confidence, .9);
  EXPECT_EQ(left[1].label, 1);
  EXPECT_EQ(left[2].box, far);
}

TEST(Letterboxing, BoxesComeBackToWhereTheyWereInThePicture) {
  const Letterbox wide({640, 360}, {320, 320});
  cv::Mat picture(360, 640, CV_8UC3, cv::Scalar::all(0));
  picture(cv::Rect(200, 100, 80, 40)).setTo(255);
  const cv::Mat input = wide.apply(picture);
  ASSERT_EQ(input.size(), cv::Size(320, 320));
  // Half its size, 70 pixels of gray above.
  EXPECT_EQ(input.at<cv::Vec3b>(10, 10), cv::Vec3b(114, 114, 114));
  EXPECT_EQ(input.at<cv::Vec3b>(70 + 60, 120), cv::Vec3b(255, 255, 255));
  EXPECT_EQ(wide.to_picture({100, 70 + 50, 40, 20}), cv::Rect(200, 100, 80, 40));
  // What reaches into the gray ends at the picture's edge; what lies in it is nothing.
  EXPECT_EQ(wide.to_picture({0, 40, 20, 40}), cv::Rect(0, 0, 40, 20));
  EXPECT_TRUE(wide.to_picture({0, 0, 20, 20}).empty());
}

// ---- models

DetectorOptions model_of(const std::filesystem::path& file, const std::filesystem::path& classes = {},
                         std::vector<std::string> only = {}) {
  DetectorOptions options;
  options.model = file;
  options.model_size = {64, 64};
  options.classes = classes;
  options.only = std::move(only);
  return options;
}

/// A dark picture with a bright square that fills one cell of the model.
cv::Mat picture_with_square(cv::Size size, cv::Rect square) {
  cv::Mat picture(size, CV_8UC3, cv::Scalar::all(10));
  picture(square).setTo(250);
  return picture;
}

class Model : public testing::TestWithParam<test::Layout> {};
INSTANTIATE_TEST_SUITE_P(BothLayouts, Model, testing::Values(test::Layout::rows, test::Layout::columns));

TEST_P(Model, FindsTheSquareInAPictureOfAnotherShape) {
  const TemporaryFolder folder;
  write_file(folder.path / "m.onnx", test::bright_square_model(64, GetParam()));
  write_file(folder.path / "names", "cold\nhot\n\n");
  const auto detector = make_detector(model_of(folder.path / "m.onnx", folder.path / "names"));
  EXPECT_EQ(detector->name(), "m.onnx");
  // 128x96 is shrunk to 64x48 and has 8 pixels of gray above: the cell at (16, 16) shows (32, 16).
  const auto found = detector->detect(picture_with_square({128, 96}, {32, 16, 32, 32}));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].type, "hot");
  EXPECT_EQ(found[0].label, 1);
  EXPECT_EQ(found[0].box, cv::Rect(32, 16, 32, 32));
  EXPECT_NEAR(found[0].confidence, 250 / 255., .02);
}

TEST(ModelFile, OnlyNamedClassesCount) {
  const TemporaryFolder folder;
  write_file(folder.path / "m.onnx", test::bright_square_model(64, test::Layout::columns));
  write_file(folder.path / "names", "cold\nhot\n");
  const DetectorOptions options = model_of(folder.path / "m.onnx", folder.path / "names", {"cold"});
  EXPECT_TRUE(make_detector(options)->detect(picture_with_square({64, 64}, {16, 16, 16, 16})).empty());
  DetectorOptions unknown = options;
  unknown.only = {"lukewarm"};
  EXPECT_THAT(message_of<UsageFailure>([&] { make_detector(unknown); }), HasSubstr("cold and hot"));
}

TEST(ModelFile, ClassesWithoutNamesAreNumbered) {
  const TemporaryFolder folder;
  write_file(folder.path / "m.onnx", test::bright_square_model(64, test::Layout::columns));
  const auto found = make_detector(model_of(folder.path / "m.onnx"))
                         ->detect(picture_with_square({64, 64}, {16, 16, 16, 16}));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].type, "class 1");
}

TEST(ModelFile, WrongOnesSayWhatIsWrong) {
  const TemporaryFolder folder;
  write_file(folder.path / "text.onnx", "this is no model");
  write_file(folder.path / "map.onnx", test::map_model(64));
  write_file(folder.path / "m.onnx", test::bright_square_model(64, test::Layout::rows));
  const auto why = [&](const std::string& file, cv::Size size = {64, 64}) {
    DetectorOptions options = model_of(folder.path / file);
    options.model_size = size;
    return message_of<Failure>([&] { make_detector(options); });
  };
  EXPECT_THAT(why("missing.onnx"), HasSubstr("missing.onnx can't be read"));
  EXPECT_THAT(why("text.onnx"), HasSubstr("an ONNX file is expected"));
  EXPECT_THAT(why("map.onnx"), HasSubstr("[1, 7, 4, 4]"));
  EXPECT_THAT(why("m.onnx", {96, 96}), HasSubstr("--detector-size"));
}

// ---- HOG

TEST(Hog, ConfidenceOfItsOwnDecisionIsAHalf) {
  EXPECT_DOUBLE_EQ(HogDetector::confidence(0), .5);
  EXPECT_GT(HogDetector::confidence(1), HogDetector::confidence(.5));
  EXPECT_LT(HogDetector::confidence(100), 1 + 1e-12);
}

TEST(Hog, FindsNobodyInAnEmptyOrATinyPicture) {
  const auto detector = make_detector({});
  EXPECT_TRUE(detector->detect(cv::Mat(240, 320, CV_8UC3, cv::Scalar::all(90))).empty());
  EXPECT_TRUE(detector->detect(cv::Mat(16, 16, CV_8UC3, cv::Scalar::all(90))).empty());
}

TEST(Hog, KnowsPeopleOnly) {
  EXPECT_THAT(message_of<UsageFailure>([] { make_detector(model_of({}, {}, {"car"})); }),
              HasSubstr("only people"));
}

// ---- tracking

Detection person_at(int x) { return {.confidence = .9, .box = {x, 50, 40, 100}}; }

TEST(Tracking, KeepsTheNumberOfWhatMovesALittle) {
  Tracker tracker;
  std::vector<Detection> found{person_at(0), person_at(200)};
  tracker.track(found, 0);
  EXPECT_EQ(found[0].id, 1);
  EXPECT_EQ(found[1].id, 2);
  found = {person_at(205), person_at(8)};
  tracker.track(found, .1);
  EXPECT_EQ(found[0].id, 2);
  EXPECT_EQ(found[1].id, 1);
}

TEST(Tracking, RemembersForASecondAndNeverGivesANumberTwice) {
  Tracker tracker;
  std::vector<Detection> found{person_at(0)};
  tracker.track(found, 0);
  std::vector<Detection> nobody;
  tracker.track(nobody, .5);
  found = {person_at(4)};
  tracker.track(found, .9);
  EXPECT_EQ(found[0].id, 1);
  found = {person_at(4)};
  tracker.track(found, 3);
  EXPECT_EQ(found[0].id, 2);
}

TEST(Tracking, AnotherTypeIsAnotherThing) {
  Tracker tracker;
  std::vector<Detection> found{person_at(0)};
  tracker.track(found, 0);
  found = {person_at(0)};
  found[0].type = "car";
  tracker.track(found, .1);
  EXPECT_EQ(found[0].id, 2);
}

}  // namespace
}  // namespace digfusion::pipelines
