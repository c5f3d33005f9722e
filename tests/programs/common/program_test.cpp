// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/program.h"

#include <gmock/gmock.h>
#include <signal.h>

#include <thread>

#include "pipelines/common/failure.h"
#include "tests/programs/common/bench.h"

namespace digfusion::pipelines {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class ProgramTest : public test::GstTest {};

TEST_F(ProgramTest, RunsUntilItIsToldToQuit) {
  Program program("test", true);
  int calls = 0;
  program.every(5, [&] {
    if (++calls == 3) program.quit(7);
  });
  EXPECT_EQ(program.run({}), 7);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(program.run({}), 7);  // for good
}

TEST_F(ProgramTest, WhatOtherThreadsPostIsCalledOnTheMainThread) {
  Program program("test", true);
  const auto main_thread = std::this_thread::get_id();
  std::thread::id called_on;
  std::thread other([&] {
    program.post([&] {
      called_on = std::this_thread::get_id();
      program.quit();
    });
  });
  EXPECT_EQ(program.run({}), 0);
  other.join();
  EXPECT_EQ(called_on, main_thread);
}

TEST_F(ProgramTest, WhatIsPostedTooLateIsDropped) {
  bool called = false;
  {
    Program program("test", true);
    program.post([&] { called = true; });
  }
  while (g_main_context_iteration(nullptr, FALSE)) {
  }
  EXPECT_FALSE(called);
}

TEST_F(ProgramTest, TheFirstSignalEndsInOrderTheSecondAtOnce) {
  {
    Program program("test", true);
    program.post([] { ::raise(SIGTERM); });
    EXPECT_EQ(program.run([&] { program.quit(); }), 0);
  }
  {
    Program program("test", true);
    program.post([] { ::raise(SIGINT); });
    EXPECT_EQ(program.run([] { ::raise(SIGINT); }), 130);
  }
}

TEST_F(ProgramTest, FailuresAreSaidWhetherQuietOrNot) {
  Program program("digfusion-test", true);
  testing::internal::CaptureStderr();
  program.say("not heard");
  program.warn("careful with rtsp://eve:pw@host");
  program.post([] { throw Failure("it broke"); });
  EXPECT_EQ(program.run({}), 1);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "digfusion-test: careful with rtsp://eve:***@host\ndigfusion-test: it broke\n");
}

/// run_program() with these words: its exit code, and what it wrote on standard error.
std::pair<int, std::string> run(std::vector<std::string> words,
                                const std::function<int(const CommonOptions&)>& body) {
  words.insert(words.begin(), "digfusion-test");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  testing::internal::CaptureStderr();
  const int exit_code = run_program(
      static_cast<int>(words.size()), argv.data(), "digfusion-test", "A test.", [](CLI::App&) {}, body);
  return {exit_code, testing::internal::GetCapturedStderr()};
}

TEST_F(ProgramTest, ExitCodesSayWhatHappened) {
  const auto sources = [](const CommonOptions& options) {
    options.sources();
    return 0;
  };
  const auto [done, nothing] = run({"--test"}, sources);
  EXPECT_EQ(done, 0);
  EXPECT_THAT(nothing, IsEmpty());

  const auto [misspelt, which] = run({"--tset"}, sources);
  EXPECT_EQ(misspelt, 2);
  EXPECT_THAT(which, HasSubstr("--tset"));
  EXPECT_THAT(which, HasSubstr("Run digfusion-test --help."));

  const auto [wrong, why] = run({"rtsp://eve:geheim@host:port/", "x"}, sources);
  EXPECT_EQ(wrong, 2);
  EXPECT_THAT(why, HasSubstr("digfusion-test: --visible"));
  EXPECT_THAT(why, testing::Not(HasSubstr("geheim")));

  const auto [failed, reason] =
      run({"--test"}, [](const CommonOptions&) -> int { throw Failure("no luck"); });
  EXPECT_EQ(failed, 1);
  EXPECT_EQ(reason, "digfusion-test: no luck\n");
  EXPECT_TRUE(std::getenv("OMP_WAIT_POLICY") || std::getenv("GOMP_SPINCOUNT"));
}

}  // namespace
}  // namespace digfusion::pipelines
