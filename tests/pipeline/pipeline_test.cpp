// SPDX-License-Identifier: LGPL-2.1-or-later
#include <gst/app/gstappsrc.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "core/tools/subprocess.h"
#include "tests/core/metrics/temporary_folder.h"
#include "tests/pipeline/run.h"

namespace digfusion::test {
namespace {

cv::Mat scene(int seed, int type) {
  cv::Mat noise(24, 32, type), picture;
  cv::RNG rng(static_cast<std::uint64_t>(seed));
  rng.fill(noise, cv::RNG::UNIFORM, 0, 256);
  cv::resize(noise, picture, {128, 96}, 0, 0, cv::INTER_CUBIC);
  cv::circle(picture, {40 + 10 * seed, 50}, 20, cv::Scalar::all(seed * 60), cv::FILLED);
  return picture;
}

void push(GstElement* pipeline, const char* name, const cv::Mat& picture) {
  GstElement* source = gst_bin_get_by_name(GST_BIN(pipeline), name);
  GstBuffer* buffer = gst_buffer_new_memdup(picture.data, picture.total() * picture.elemSize());
  GST_BUFFER_PTS(buffer) = 0;
  GST_BUFFER_DURATION(buffer) = GST_SECOND;
  gst_app_src_push_buffer(GST_APP_SRC(source), buffer);
  gst_app_src_end_of_stream(GST_APP_SRC(source));
  gst_object_unref(source);
}

/// The fused picture as the element gives it, rows packed (the widths here need no padding).
cv::Mat fused_by_element(const cv::Mat& visible, const cv::Mat& infrared, const char* format,
                         const std::string& properties) {
  const std::string size = ",width=128,height=96,framerate=1/1";
  cv::Mat fused(visible.size(), visible.type());
  int frames = 0;
  run_pipeline(
      "appsrc name=v format=time caps=video/x-raw,format=" + std::string(format) + size +
          " ! f.visible appsrc name=i format=time caps=video/x-raw,format=GRAY8" + size +
          " ! f.infrared digfusion name=f threads=2 " + properties + " ! appsink name=out sync=false",
      [&](GstSample* sample) {
        ++frames;
        gst_buffer_extract(gst_sample_get_buffer(sample), 0, fused.data, fused.total() * fused.elemSize());
      },
      [&](GstElement* pipeline) {
        push(pipeline, "v", visible);
        push(pipeline, "i", infrared);
      });
  EXPECT_EQ(frames, 1);
  return fused;
}

cv::Mat fused_by_program(const cv::Mat& visible, const cv::Mat& infrared,
                         const std::vector<std::string>& options) {
  const TemporaryFolder folder;
  const auto at = [&](const char* name) { return (folder.path / name).string(); };
  cv::imwrite(at("v.png"), visible);
  cv::imwrite(at("i.png"), infrared);
  std::vector<std::string> words = {std::getenv("DIGFUSION_PROGRAM"),
                                    "fuse",
                                    "--visible",
                                    at("v.png"),
                                    "--infrared",
                                    at("i.png"),
                                    "--output",
                                    at("f.png"),
                                    "--threads",
                                    "2"};
  words.insert(words.end(), options.begin(), options.end());
  const auto result = tools::run_process(words);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return cv::imread(at("f.png"), cv::IMREAD_UNCHANGED);
}

TEST(Pipeline, ElementAndProgramGiveTheSameBytes) {
  for (const auto& [format, type] : {std::pair{"GRAY8", CV_8UC1}, std::pair{"BGR", CV_8UC3}}) {
    const cv::Mat visible = scene(1, type), infrared = scene(2, CV_8UC1);
    const cv::Mat element = fused_by_element(visible, infrared, format, "");
    const cv::Mat program = fused_by_program(visible, infrared, {});
    ASSERT_EQ(program.size(), element.size());
    ASSERT_EQ(program.type(), element.type());
    EXPECT_EQ(cv::norm(element, program, cv::NORM_INF), 0) << format;
    EXPECT_GT(cv::norm(element, visible, cv::NORM_INF), 20) << "nothing was fused";
  }
}

TEST(Pipeline, RegistersAlikeInElementAndProgram) {
  const cv::Mat visible = scene(1, CV_8UC1), infrared = scene(2, CV_8UC1);
  const std::string numbers = "0.9,0.05,12,-0.05,0.9,6,0.0002,0,1";
  const cv::Mat element = fused_by_element(visible, infrared, "GRAY8", "registration=" + numbers);
  EXPECT_EQ(cv::norm(element, fused_by_program(visible, infrared, {"--registration", numbers}), cv::NORM_INF),
            0);
  EXPECT_GT(cv::norm(element, fused_by_program(visible, infrared, {}), cv::NORM_INF), 20);
}

// A camera of 14 bits in 16: its people are warmer than the street, and brighter in the fused picture.
TEST(Pipeline, RadiometricPicturesAreFusedWithTheWarmBright) {
  constexpr int width = 320, height = 240, telemetry = 2;
  const auto pictures_of = [&](const std::string& pad, const std::string& properties) {
    std::vector<cv::Mat> pictures;
    const std::string size = ",width=320,framerate=10/1";
    const std::string visible = " s.visible ! video/x-raw,format=GRAY8,height=240" + size;
    const std::string infrared = " s.infrared ! video/x-raw,format=GRAY16_LE,height=242" + size;
    const std::string pipeline =
        "digtestsrc name=s num-buffers=4 seed=3 infrared-kelvin=true infrared-telemetry-rows=2 "
        "infrared-dead-pixels=20" +
        (pad == "fused" ? visible + " ! f.visible" + infrared + " ! f.infrared digfusion name=f " + properties
         : pad == "infrared" ? visible + " ! fakesink" + infrared
                             : infrared + " ! fakesink" + visible) +
        " ! appsink name=out sync=false";
    run_pipeline(pipeline, [&](GstSample* sample) {
      cv::Mat picture(pad == "infrared" ? height + telemetry : height, width,
                      pad == "infrared" ? CV_16U : CV_8U);
      gst_buffer_extract(gst_sample_get_buffer(sample), 0, picture.data,
                         picture.total() * picture.elemSize());
      pictures.push_back(picture);
    });
    return pictures;
  };
  const cv::Mat kelvin = pictures_of("infrared", "").back().rowRange(0, height);
  const cv::Mat visible = pictures_of("visible", "").back();
  const cv::Mat people = (kelvin > 30000) & (kelvin < 31200), street = kelvin < 29000;  // 26.9 °C, 16.9 °C
  ASSERT_GT(cv::countNonZero(people), 50);
  ASSERT_GT(cv::countNonZero(street), width * height / 4);
  const auto contrast = [&](const cv::Mat& picture) {
    return cv::mean(picture, people)[0] - cv::mean(picture, street)[0];
  };
  for (const char* properties : {"", "gain-control=plateau", "thermal-range=5C..40C"}) {
    const cv::Mat fused =
        pictures_of("fused", std::string(properties) + " crop-bottom=2 dead-pixels=correct").back();
    EXPECT_GT(contrast(fused), contrast(visible) + 15) << properties;
    EXPECT_GT(contrast(fused), 15) << properties;
  }
}

TEST(Pipeline, PaperPresetSamplesAlikeInElementAndProgram) {
  const cv::Mat visible = scene(1, CV_8UC1), infrared = scene(2, CV_8UC1);
  const cv::Mat element = fused_by_element(visible, infrared, "GRAY8", "preset=paper seed=7");
  const cv::Mat program = fused_by_program(visible, infrared, {"--preset", "paper", "--seed", "7"});
  EXPECT_EQ(cv::norm(element, program, cv::NORM_INF), 0);
  // Near the plain average, as τ = 1 makes it, and not the average itself.
  cv::Mat average;
  cv::addWeighted(visible, 0.5, infrared, 0.5, 0, average);
  const double mean_difference = cv::norm(element, average, cv::NORM_L1) / double(average.total());
  EXPECT_GT(mean_difference, 0.1);
  EXPECT_LT(mean_difference, 25);
}

TEST(Pipeline, PaperPresetCostsThirtyOneEvaluations) {
  gst_init(nullptr, nullptr);
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(
      "digtestsrc num-buffers=1 name=s s.visible ! video/x-raw,format=GRAY8,width=32,height=32 ! f.visible "
      "s.infrared ! "
      "video/x-raw,format=GRAY8,width=32,height=32 ! f.infrared digfusion name=f preset=paper ! fakesink",
      &error);
  ASSERT_EQ(error, nullptr) << error->message;
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* message =
      gst_bus_timed_pop_filtered(bus, 60 * GST_SECOND, GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(GST_MESSAGE_TYPE(message), GST_MESSAGE_EOS);
  gst_message_unref(message);
  GstElement* element = gst_bin_get_by_name(GST_BIN(pipeline), "f");
  gst_element_set_state(pipeline, GST_STATE_NULL);
  GstStructure* stats = nullptr;
  g_object_get(element, "stats", &stats, nullptr);
  guint64 evaluations = 0;
  EXPECT_TRUE(gst_structure_get_uint64(stats, "evaluations", &evaluations)) << gst_structure_to_string(stats);
  EXPECT_EQ(evaluations, 31u);
  gst_structure_free(stats);
  gst_object_unref(element);
  gst_object_unref(bus);
  gst_object_unref(pipeline);
}

// ---- real clips

struct Frame {
  GstClockTime pts, duration;
  cv::Mat luma;
};

std::vector<Frame> frames_of(const std::string& description) {
  std::vector<Frame> frames;
  run_pipeline(description, [&](GstSample* sample) {
    GstBuffer* buffer = gst_sample_get_buffer(sample);
    cv::Mat luma(120, 160, CV_8U);
    gst_buffer_extract(buffer, 0, luma.data, luma.total());
    frames.push_back({GST_BUFFER_PTS(buffer), GST_BUFFER_DURATION(buffer), luma});
  });
  return frames;
}

class Clip : public testing::TestWithParam<const char*> {};

TEST_P(Clip, EveryVisibleFrameComesOutFusedWithItsTimestamp) {
  const char* folder = std::getenv("DIGFUSION_TEST_DATA");
  if (!folder) GTEST_SKIP() << "DIGFUSION_TEST_DATA isn't set: no real clips here";
  const std::filesystem::path clips = std::filesystem::path(folder) / "data" / "video";
  const std::string name = std::string(GetParam()) + ".mp4";
  // A quarter of the size, for time; frames and timestamps are what is tested.
  const auto branch = [&](const char* view) {
    return "filesrc location=" + (clips / view / name).string() +
           " ! decodebin ! videoconvert ! videoscale ! video/x-raw,format=GRAY8,width=160,height=120 ";
  };
  const std::vector<Frame> visible = frames_of(branch("visible") + "! appsink name=out sync=false");
  const std::vector<Frame> infrared = frames_of(branch("infrared") + "! appsink name=out sync=false");
  const std::vector<Frame> fused = frames_of(branch("visible") + "! f.visible " + branch("infrared") +
                                             "! f.infrared digfusion name=f ! appsink name=out sync=false");
  ASSERT_GT(visible.size(), 100u);
  ASSERT_EQ(fused.size(), visible.size());
  ASSERT_EQ(infrared.size(), visible.size());
  for (std::size_t n = 0; n < fused.size(); ++n) {
    EXPECT_EQ(fused[n].pts, visible[n].pts) << "frame " << n;
    EXPECT_EQ(fused[n].duration, visible[n].duration) << "frame " << n;
  }

  // What is warm stands out: over the clip, hot pixels against the rest, in fused and in visible.
  const auto contrast = [](const cv::Mat& picture, const cv::Mat& hot) {
    return cv::mean(picture, hot)[0] - cv::mean(picture, ~hot)[0];
  };
  double in_visible = 0, in_fused = 0, in_infrared = 0;
  for (std::size_t n = 0; n < fused.size(); ++n) {
    const cv::Mat hot = infrared[n].luma > 150;
    if (cv::countNonZero(hot) < 20) continue;
    in_visible += contrast(visible[n].luma, hot);
    in_infrared += contrast(infrared[n].luma, hot);
    in_fused += contrast(fused[n].luma, hot);
  }
  ASSERT_GT(in_infrared, 0) << "nothing hot in the clip";
  EXPECT_GT(in_fused, in_visible + 0.4 * (in_infrared - in_visible));
}

INSTANTIATE_TEST_SUITE_P(Real, Clip, testing::Values("0111_1716", "0117_1605"));

}  // namespace
}  // namespace digfusion::test
