// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Two sources and the element, with the fake core: the lower half of what it makes is the infrared picture.
#include "pipelines/common/fusion.h"

#include <gmock/gmock.h>

#include <atomic>
#include <mutex>
#include <optional>

#include "pipelines/common/failure.h"
#include "tests/programs/common/bench.h"

namespace digfusion::pipelines {
namespace {

using test::run_until;
using test::Server;
using test::Words;
using testing::HasSubstr;
using namespace std::chrono_literals;

class FusionTest : public test::GstTest {};

/// A running fusion, and what came of it.
struct Running {
  Running(Words words, Hurry hurry) : line(std::move(words)) {
    fusion.emplace(
        program, line.options, hurry,
        Fusion::Callbacks{[this](const Frame& frame) {
                            const std::lock_guard lock(mutex);
                            times.push_back(frame.time());
                            g_usleep(hold_us);
                          },
                          [this](const Frame&) { ++visible; }, [this](const Frame&) { ++infrared; },
                          [this] { ++changes; }, [this] { ++ends; }});
    fusion->start();
  }
  std::size_t count() {
    const std::lock_guard lock(mutex);
    return times.size();
  }
  bool ended() {
    return run_until([this] { return ends > 0; });
  }

  test::CommandLine line;
  Program program{"test", true};
  std::mutex mutex;
  std::vector<GstClockTime> times;
  std::atomic<int> visible{0}, infrared{0}, changes{0}, ends{0};
  std::atomic<unsigned> hold_us{0};
  std::optional<Fusion> fusion;
};

const Words small_scene{"--test", "--size", "64x48", "--rate", "25"};

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST_F(FusionTest, ASceneThatIsNotLiveLosesNothing) {
  Running running(with(small_scene, {"--frames", "40"}), Hurry::keep_all);
  EXPECT_FALSE(running.fusion->is_live());
  ASSERT_TRUE(running.ended());
  running.fusion->stop();
  ASSERT_EQ(running.times.size(), 40u);
  for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(running.times[i], i * 40 * GST_MSECOND);
  EXPECT_EQ(running.ends, 1);
  EXPECT_GE(running.visible, 40);
  EXPECT_GE(running.infrared, 40);
}

TEST_F(FusionTest, ALiveSceneIsFusedAtItsRate) {
  Running running(small_scene, Hurry::keep_up);
  EXPECT_TRUE(running.fusion->is_live());
  ASSERT_TRUE(run_until([&] { return running.count() >= 15; }));
  const FusionStatus status = running.fusion->status();
  EXPECT_EQ(status.visible.state, CameraState::playing);
  EXPECT_EQ(status.visible.width, 64);
  EXPECT_GE(status.fused, 15u);
  EXPECT_EQ(status.unfused, 0u);
  EXPECT_EQ(status.device, "fake");
  EXPECT_GT(status.milliseconds, 0);
  const Frame last = running.fusion->visible().latest();
  ASSERT_TRUE(last);
  EXPECT_TRUE(running.fusion->infrared().nearest(last.time(), 100 * GST_MSECOND));
}

TEST_F(FusionTest, WhatIsTooSlowLeavesPicturesOutAndStaysInThePresent) {
  Running running(small_scene, Hurry::keep_up);
  running.hold_us = 150'000;
  ASSERT_TRUE(run_until([&] { return running.count() >= 12; }));
  const FusionStatus status = running.fusion->status();
  EXPECT_GT(status.left_out, 10u) << running.visible;
  EXPECT_EQ(status.unfused, 0u);
  // Two in the element and two behind them, at .15 s each, and a slow machine.
  EXPECT_LT(status.delay, 1200);
}

TEST_F(FusionTest, ItEndsAfterADuration) {
  Running running(with(small_scene, {"--duration", "0.4"}), Hurry::keep_all);
  ASSERT_TRUE(running.ended());
  running.fusion->stop();
  EXPECT_EQ(running.times.size(), 10u);
}

TEST_F(FusionTest, WhenItIsEndedTheLastPicturesComeOut) {
  Running running(small_scene, Hurry::keep_up);
  ASSERT_TRUE(run_until([&] { return running.count() > 3; }));
  running.fusion->end();
  ASSERT_TRUE(running.ended());
  const std::size_t count = running.count();
  run_until([] { return false; }, 200ms);
  EXPECT_EQ(running.count(), count);
  EXPECT_EQ(running.ends, 1);
}

TEST_F(FusionTest, AParameterThatIsWrongIsToldBeforeAnythingStarts) {
  EXPECT_THROW(Running(with(small_scene, {"--sharpness", "-5"}), Hurry::keep_up), CLI::ParseError);
}

TEST_F(FusionTest, ADeadServerThatComesBackIsFusedAgain) {
  std::optional<Server> server(std::in_place);
  const int port = server->port;
  Running running({server->address("visible"), server->address("infrared"), "--timeout", "2",
                   "--jitter-buffer", "50", "--rtsp-transport", "tcp"},
                  Hurry::keep_up);
  const auto fused = [&] { return running.fusion->status().fused; };
  ASSERT_TRUE(run_until([&] { return fused() >= 10; }));
  server->child.signal(SIGKILL);
  const auto state = [&] { return running.fusion->status().visible.state; };
  ASSERT_TRUE(run_until([&] { return state() == CameraState::waiting; }));
  EXPECT_THAT(status_lines(running.fusion->status()).front(), HasSubstr("lost, next try in"));
  server.emplace(Words{}, port);
  ASSERT_TRUE(run_until([&] {
    const FusionStatus status = running.fusion->status();
    return status.visible.reconnects == 1 && status.infrared.reconnects == 1;
  }));
  const FusionStatus before = running.fusion->status();
  ASSERT_TRUE(run_until([&] { return fused() >= before.fused + 25; }));
  // Both have the time of now, so each finds its partner.
  EXPECT_LE(running.fusion->status().unfused, before.unfused + 2);
}

TEST_F(FusionTest, ALostInfraredCameraLeavesTheVisiblePictureAtItsRate) {
  const Server server;
  Running running({server.address("visible"), "rtsp://127.0.0.1:1/infrared", "--jitter-buffer", "50",
                   "--rtsp-transport", "tcp"},
                  Hurry::keep_up);
  ASSERT_TRUE(run_until([&] { return running.count() >= 30; }));
  const FusionStatus status = running.fusion->status();
  EXPECT_EQ(status.infrared.state, CameraState::waiting);
  EXPECT_EQ(status.fused, 0u);
  EXPECT_GE(status.unfused, 30u);
  // They aren't held up for a partner.
  EXPECT_LT(status.delay, 900);
}

TEST_F(FusionTest, WrongCredentialsEndTheProgram) {
  const Server server({"--user", "eve", "--password", "right"});
  Running running({server.address("visible", "eve:right"), server.address("infrared", "eve:wrong")},
                  Hurry::keep_up);
  testing::internal::CaptureStderr();
  EXPECT_EQ(running.program.run({}), 1);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, HasSubstr("test: the infrared camera rtsp://eve:***@127.0.0.1"));
  EXPECT_THAT(text, HasSubstr("refused"));
}

TEST(StatusLinesTest, SayWhatTheOperatorNeeds) {
  FusionStatus status;
  status.visible = {CameraState::playing, "", 10, 0, 640, 480, 25.04, 10ms, 0ms};
  status.infrared = {CameraState::waiting, "it doesn't answer", 0, 0, 0, 0, 0, 9s, 3500ms};
  status.left_out = 3;
  status.device = "cpu";
  const auto lines = status_lines(status);
  EXPECT_THAT(lines[0], testing::AllOf(HasSubstr("visible"), HasSubstr("640x480"), HasSubstr("25.0/s")));
  EXPECT_THAT(lines[1], HasSubstr("lost, next try in 4 s: it doesn't answer"));
  EXPECT_THAT(lines, testing::Contains(HasSubstr("3 left out")));
  EXPECT_THAT(lines.back(), HasSubstr("cpu"));
}

}  // namespace
}  // namespace digfusion::pipelines
