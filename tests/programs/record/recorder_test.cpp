// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The recorder without cameras: pictures whose brightness tells their number.
#include "pipelines/record/recorder.h"

#include <gtest/gtest.h>

#include <optional>
#include <thread>

#include "pipelines/common/failure.h"
#include "tests/core/metrics/temporary_folder.h"
#include "tests/programs/record/decode.h"

namespace digfusion::pipelines {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr GstClockTime picture_time = GST_SECOND / 25;

struct Format {
  int width = 160, height = 120;
  GstVideoFormat format = GST_VIDEO_FORMAT_I420;
};

/// A gray picture.
Frame picture(GstClockTime time, int luma, const Format& format = {}) {
  GstVideoInfo info;
  gst_video_info_set_format(&info, format.format, format.width, format.height);
  info.fps_n = 25;
  info.fps_d = 1;
  const MiniPtr<GstBuffer> buffer(gst_buffer_new_allocate(nullptr, info.size, nullptr));
  gst_buffer_memset(buffer.get(), 0, 128, info.size);
  gst_buffer_memset(buffer.get(), 0, guint8(luma), std::size_t(info.stride[0]) * format.height);
  GST_BUFFER_PTS(buffer.get()) = time;
  GST_BUFFER_DURATION(buffer.get()) = picture_time;
  const MiniPtr<GstCaps> caps(gst_video_info_to_caps(&info));
  return Frame(buffer.get(), caps.get());
}

/// The brightness of picture `number`: neighbours differ by more than what coding changes.
int luma_of(int number) { return 40 + 20 * (number % 8); }

class RecorderTest : public testing::Test {
 protected:
  RecorderTest() {
    gst_init(nullptr, nullptr);
    options.folder = folder.path;
    options.name = "test";
    options.keep_free = 0;
  }
  void start(Pace pace = Pace::wait) {
    if (encoder.description.empty()) encoder = choose_encoder({}, options.container).encoder;
    recorder.emplace(
        program, options, encoder, pace,
        [this](const std::string& why) {
          stopped = why;
          program.quit(1);
        },
        silence);
  }
  /// Runs `feed` on a streaming thread and the program to its end.
  int run(const std::function<void()>& feed) {
    std::thread thread([&] {
      feed();
      program.post([this] { recorder->finish([this] { program.quit(); }); });
    });
    const int exit_code = program.run({});
    thread.join();
    recorder.reset();
    return exit_code;
  }
  void push(int number, const Format& format = {}) {
    const GstClockTime time = start_time + number * picture_time;
    recorder->push(picture(time, luma_of(number), format), visible, infrared,
                   begin + std::chrono::nanoseconds(number * picture_time));
  }
  void push_sources(int number, const Format& of_visible = {}, const Format& of_infrared = {}) {
    const GstClockTime time = start_time + number * picture_time;
    visible.push(picture(time, luma_of(number + 1), of_visible));
    infrared.push(picture(time, luma_of(number + 2), of_infrared));
  }
  std::vector<fs::path> files() const { return test::files_in(folder.path); }
  /// All segments one after another: pictures `first` to `last`, none missing, `track` shifted by so many.
  static void expect_pictures(const std::vector<int>& brightness, int count, int shift = 0) {
    ASSERT_EQ(brightness.size(), std::size_t(count));
    for (int i = 0; i < count; ++i) ASSERT_NEAR(brightness[i], luma_of(i + shift), 6) << "picture " << i;
  }

  TemporaryFolder folder;
  RecordOptions options;
  Encoder encoder;
  Program program{"recorder_test", true};
  std::optional<Recorder> recorder;
  RecentFrames visible, infrared;
  std::string stopped;
  std::chrono::milliseconds silence = 1h;
  const GstClockTime start_time = 100 * GST_SECOND;  // a program has run for a while
  // 2026-11-21 12:04:31.9 UTC
  const std::chrono::system_clock::time_point begin{std::chrono::milliseconds(1795262671900)};
};

class ContainerTest : public RecorderTest, public testing::WithParamInterface<Container> {
 protected:
  ContainerTest() { options.container = GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Both, ContainerTest, testing::Values(Container::mp4, Container::matroska),
                         [](const auto& info) { return container_info(info.param).nick; });

TEST_P(ContainerTest, SplitsByTimeAndLosesNothing) {
  options.segment_duration = 2s;
  start();
  EXPECT_EQ(run([&] {
              for (int i = 0; i < 125; ++i) push(i);
            }),
            0);
  ASSERT_EQ(files().size(), 3u);
  std::vector<int> brightness;
  for (const fs::path& file : files()) {
    const auto tracks = test::decode(file);
    ASSERT_EQ(tracks.size(), 1u) << file;
    EXPECT_LE(tracks[0].times.back(), 2 * GST_SECOND) << file;
    EXPECT_LT(tracks[0].times.front(), picture_time) << "a segment starts at 0";
    EXPECT_LT(tracks[0].longest_gap(), 3 * picture_time / 2) << file;
    EXPECT_EQ(tracks[0].title, "fused");
    brightness.insert(brightness.end(), tracks[0].brightness.begin(), tracks[0].brightness.end());
  }
  expect_pictures(brightness, 125);
}

TEST_P(ContainerTest, NamesSegmentsAfterTheirFirstPicturesTime) {
  options.segment_duration = 2s;
  start();
  run([&] {
    for (int i = 0; i < 60; ++i) push(i);
  });
  const std::string extension = container_info(GetParam()).extension;
  ASSERT_EQ(files().size(), 2u);
  EXPECT_EQ(files()[0].filename(), "test-2026-11-21T12-04-31Z" + extension);
  // 31.9 s and two seconds, less what is left to the next key frame
  EXPECT_EQ(files()[1].filename(), "test-2026-11-21T12-04-33Z" + extension);
}

TEST_P(ContainerTest, PutsTheSourcesBesideTheFusedPicture) {
  options.with_sources = true;
  options.segment_duration = 1s;
  start();
  run([&] {
    for (int i = 0; i < 50; ++i) {
      push_sources(i, {.width = 160, .height = 120},
                   {.width = 96, .height = 64, .format = GST_VIDEO_FORMAT_GRAY8});
      push(i);
    }
  });
  ASSERT_GE(files().size(), 2u);
  std::array<std::vector<int>, 3> brightness;
  for (const fs::path& file : files()) {
    const auto tracks = test::decode(file);
    ASSERT_EQ(tracks.size(), 3u) << file;
    EXPECT_EQ(tracks[0].title, "fused") << file;
    EXPECT_EQ(tracks[1].title, "visible") << file;
    EXPECT_EQ(tracks[2].title, "infrared") << file;
    EXPECT_EQ(tracks[0].times, tracks[1].times) << file;
    EXPECT_EQ(tracks[0].times, tracks[2].times) << file;
    EXPECT_EQ(tracks[1].width, 160);
    EXPECT_EQ(tracks[2].width, 96);
    for (int i = 0; i < 3; ++i)
      brightness[i].insert(brightness[i].end(), tracks[i].brightness.begin(), tracks[i].brightness.end());
  }
  expect_pictures(brightness[0], 50);
  expect_pictures(brightness[1], 50, 1);
  expect_pictures(brightness[2], 50, 2);
}

TEST_P(ContainerTest, PicturesOfAnotherSizeBeginANewSegment) {
  start();
  run([&] {
    for (int i = 0; i < 20; ++i) push(i);
    for (int i = 20; i < 40; ++i) push(i, {.width = 192, .height = 144});
    for (int i = 40; i < 60; ++i) push(i, {.format = GST_VIDEO_FORMAT_NV12});
  });
  EXPECT_EQ(stopped, "");
  // The second and the third begin within the same second or not; each has a name of its own.
  ASSERT_EQ(files().size(), 3u);
  for (int i = 0; i < 3; ++i) {
    const auto tracks = test::decode(files()[i]);
    ASSERT_EQ(tracks.size(), 1u);
    EXPECT_EQ(tracks[0].times.size(), 20u);
    EXPECT_EQ(tracks[0].width, i == 1 ? 192 : 160);
  }
}

TEST_F(RecorderTest, SplitsBySize) {
  options.segment_duration = 0s;
  options.segment_size = 60'000;
  encoder = choose_encoder({.bitrate = 400}, Container::mp4).encoder;
  start();
  run([&] {
    std::vector<guint8> noise(160 * 120 * 3 / 2);
    for (int i = 0; i < 150; ++i) {
      // New noise all over costs the encoder something.
      Frame frame = picture(start_time + i * picture_time, 128);
      for (std::size_t k = 0; k < noise.size(); ++k) noise[k] = guint8(g_random_int_range(0, 256));
      gst_buffer_fill(frame.buffer(), 0, noise.data(), noise.size());
      recorder->push(frame, visible, infrared, begin + std::chrono::nanoseconds(i * picture_time));
    }
  });
  ASSERT_GE(files().size(), 3u);
  std::size_t pictures = 0;
  for (const fs::path& file : files()) {
    EXPECT_LE(fs::file_size(file), 75'000u) << file;  // what is put around the pictures isn't all foreseen
    pictures += test::decode(file).at(0).times.size();
  }
  EXPECT_EQ(pictures, 150u);
}

TEST_F(RecorderTest, ASilentSourceIsBlackAndHoldsUpNothing) {
  options.with_sources = true;
  start();
  run([&] {
    for (int i = 0; i < 25; ++i) {
      push_sources(i);
      push(i);
    }
    infrared.clear();
    for (int i = 25; i < 50; ++i) {
      visible.push(picture(start_time + i * picture_time, luma_of(i + 1)));
      push(i);
    }
  });
  ASSERT_EQ(files().size(), 1u);
  const auto tracks = test::decode(files()[0]);
  ASSERT_EQ(tracks.size(), 3u);
  ASSERT_EQ(tracks[2].brightness.size(), 50u);
  EXPECT_NEAR(tracks[2].brightness[24], luma_of(26), 6);
  for (int i = 25; i < 50; ++i) EXPECT_NEAR(tracks[2].brightness[i], 16, 4) << i;
}

TEST_F(RecorderTest, ASourceThatNeverCameIsBlackUntilItComes) {
  options.with_sources = true;
  start();
  run([&] {
    for (int i = 0; i < 10; ++i) push(i);
    for (int i = 10; i < 20; ++i) {
      push_sources(i, {}, {.width = 96, .height = 64});
      push(i);
    }
  });
  ASSERT_EQ(files().size(), 2u);
  const auto before = test::decode(files()[0]), after = test::decode(files()[1]);
  ASSERT_EQ(before.size(), 3u);
  ASSERT_EQ(after.size(), 3u);
  EXPECT_EQ(before[2].width, 160);
  EXPECT_NEAR(before[2].brightness.at(5), 16, 4);
  EXPECT_EQ(after[2].width, 96);
  EXPECT_NEAR(after[2].brightness.at(5), luma_of(17), 6);
}

TEST_F(RecorderTest, TakesOddSizes) {
  start();
  run([&] {
    for (int i = 0; i < 10; ++i) push(i, {.width = 161, .height = 121});
  });
  EXPECT_EQ(stopped, "");
  ASSERT_EQ(files().size(), 1u);
  const auto tracks = test::decode(files()[0]);
  ASSERT_EQ(tracks.size(), 1u);
  EXPECT_EQ(tracks[0].times.size(), 10u);
  EXPECT_NEAR(tracks[0].width, 161, 1);
}

TEST_F(RecorderTest, GapsAndPicturesOutOfOrderAreTaken) {
  start();
  run([&] {
    for (int i = 0; i < 10; ++i) push(i);
    push(5);
    push(9);
    for (int i = 100; i < 110; ++i) push(i);
  });
  ASSERT_EQ(files().size(), 1u);
  const auto tracks = test::decode(files()[0]);
  EXPECT_EQ(tracks.at(0).times.size(), 20u);
  EXPECT_EQ(tracks.at(0).times.back(), tracks.at(0).times.front() + 109 * picture_time);
}

TEST_F(RecorderTest, LeavesOutPicturesOfAllTracksAlikeWhereTheEncoderIsSlow) {
  options.with_sources = true;
  // 100 ms for each picture
  encoder = {"identity sleep-time=100000 ! " + encoder_description(encoder_kinds()[2], {}), "h264parse"};
  if (!has_element("x264enc")) encoder.description = "identity sleep-time=100000 ! openh264enc";
  start(Pace::leave_out);
  std::uint64_t left_out = 0;
  run([&] {
    for (int i = 0; i < 50; ++i) {
      push_sources(i);
      push(i);
      std::this_thread::sleep_for(20ms);
    }
    left_out = recorder->left_out();
  });
  EXPECT_GT(left_out, 0u);
  ASSERT_EQ(files().size(), 1u);
  const auto tracks = test::decode(files()[0]);
  ASSERT_EQ(tracks.size(), 3u);
  EXPECT_EQ(tracks[0].times.size(), 50 - left_out);
  EXPECT_EQ(tracks[0].times, tracks[1].times);
  EXPECT_EQ(tracks[0].times, tracks[2].times);
}

TEST_F(RecorderTest, DeletesOldSegmentsAtTheStartAndNotOthers) {
  options.max_age = 1h;
  for (const char* name : {"test-2001-01-01T00-00-00Z.mp4", "other-2001-01-01T00-00-00Z.mp4"}) {
    fclose(fopen((folder.path / name).c_str(), "w"));
    fs::last_write_time(folder.path / name, fs::file_time_type::clock::now() - 1000h);
  }
  start();
  EXPECT_FALSE(fs::exists(folder.path / "test-2001-01-01T00-00-00Z.mp4"));
  EXPECT_TRUE(fs::exists(folder.path / "other-2001-01-01T00-00-00Z.mp4"));
  recorder.reset();
}

TEST_F(RecorderTest, DeletesTooOldSegmentsWhileItRecords) {
  options.max_age = 3600s;
  start();
  run([&] {
    push(0);
    const fs::path old = folder.path / "test-2001-01-01T00-00-00Z.mp4";
    fclose(fopen(old.c_str(), "w"));
    fs::last_write_time(old, fs::file_time_type::clock::now() - 1000h);
    for (int i = 0; i < 200 && fs::exists(old); ++i) std::this_thread::sleep_for(100ms);
    EXPECT_FALSE(fs::exists(old));
  });
}

TEST_F(RecorderTest, DoesNotStartWhereTheDiskHasTooLittleRoom) {
  options.keep_free = 1'000'000'000'000'000'000;
  try {
    start();
    FAIL() << "started";
  } catch (const Failure& failure) {
    EXPECT_NE(std::string(failure.what()).find("--keep-free wants"), std::string::npos) << failure.what();
  }
}

TEST_F(RecorderTest, StopsWithAnErrorWhenTheFolderIsGone) {
  options.segment_duration = 1s;
  const fs::path there = folder.path / "there";
  fs::create_directory(there);
  options.folder = there;
  start();
  const int exit_code = run([&] {
    for (int i = 0; i < 10; ++i) push(i);
    fs::remove_all(there);
    for (int i = 10; i < 100; ++i) push(i);
  });
  EXPECT_EQ(exit_code, 1);
  EXPECT_NE(stopped.find(there.string()), std::string::npos) << stopped;
}

TEST_F(RecorderTest, BeginsANewSegmentWhenTheOpenOneIsDeleted) {
  start();
  run([&] {
    int i = 0;
    for (; i < 10; ++i) push(i);
    for (int k = 0; k < 200 && files().empty(); ++k) std::this_thread::sleep_for(10ms);
    ASSERT_EQ(files().size(), 1u);
    fs::remove(files()[0]);
    for (; i < 500 && files().empty(); ++i) {
      push(i);
      std::this_thread::sleep_for(10ms);
    }
  });
  ASSERT_EQ(files().size(), 1u);
  EXPECT_GT(test::decode(files()[0]).at(0).times.size(), 0u);
}

TEST_F(RecorderTest, ASegmentIsCompleteSoonAfterTheLastPictureOfASilentCamera) {
  silence = 300ms;
  start(Pace::leave_out);
  run([&] {
    for (int i = 0; i < 5; ++i) push(i);
    std::size_t count = 0;
    for (int k = 0; k < 200 && count < 5; ++k) {
      std::this_thread::sleep_for(50ms);
      if (!files().empty() && fs::file_size(files()[0]) > 0)
        count = test::decode(files()[0]).at(0).times.size();
    }
    EXPECT_EQ(count, 5u) << "still held back";
    for (int i = 100; i < 105; ++i) push(i);
  });
  ASSERT_EQ(files().size(), 2u);
  EXPECT_EQ(files()[1].filename(), "test-2026-11-21T12-04-35Z.mp4");
  EXPECT_EQ(test::decode(files()[1]).at(0).times.size(), 5u);
}

TEST_F(RecorderTest, FinishesWithoutAPicture) {
  start();
  EXPECT_EQ(run([] {}), 0);
  EXPECT_TRUE(files().empty());
}

TEST_F(RecorderTest, TwoInTheSameFolderDoNotGetIntoEachOthersWay) {
  RecentFrames none;
  Program second_program("second", true);
  start();
  Recorder second(program, options, encoder, Pace::wait, [](const std::string& why) { FAIL() << why; });
  int finished = 0;
  std::thread thread([&] {
    for (int i = 0; i < 25; ++i) {
      push(i);
      second.push(picture(start_time + i * picture_time, luma_of(i)), none, none, begin);
    }
    program.post([&] {
      const auto done = [&] {
        if (++finished == 2) program.quit();
      };
      recorder->finish(done);
      second.finish(done);
    });
  });
  program.run({});
  thread.join();
  ASSERT_EQ(files().size(), 2u);
  EXPECT_EQ(files()[1].filename(), "test-2026-11-21T12-04-31Z_02.mp4");
  for (const fs::path& file : files()) EXPECT_EQ(test::decode(file).at(0).times.size(), 25u) << file;
}

}  // namespace
}  // namespace digfusion::pipelines
