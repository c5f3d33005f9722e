// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion train`, on a few patches.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "core/tools/pictures.h"
#include "tests/tools/program.h"

namespace fs = std::filesystem;

namespace digfusion::tools {
namespace {

class Train : public ProgramTest {
 protected:
  static Words toy(const std::string& what, const std::string& output, const Words& more) {
    Words words = {"train",   what, "--output", output, "--pool",    "2",
                   "--batch", "2",  "--patch",  "32",   "--threads", "1"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  /// Starts the program, ends it with SIGTERM once it has reported its first checkpoint; its exit code.
  static int run_and_interrupt(const Words& arguments, std::string& messages) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("pipe");
    const pid_t child = fork();
    if (child == 0) {
      dup2(ends[1], STDERR_FILENO);
      close(ends[0]);
      std::string name = program();
      std::vector<char*> words = {name.data()};
      for (const std::string& word : arguments) words.push_back(const_cast<char*>(word.c_str()));
      words.push_back(nullptr);
      execv(name.c_str(), words.data());
      _exit(127);
    }
    close(ends[1]);
    char buffer[1024];
    for (bool asked = false;;) {
      const ssize_t count = read(ends[0], buffer, sizeof buffer);
      if (count <= 0) break;
      messages.append(buffer, static_cast<std::size_t>(count));
      if (!asked && messages.find('\n') != std::string::npos) {
        kill(child, SIGTERM);
        asked = true;
      }
    }
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
};

TEST_F(Train, InterruptedAndResumedEqualsUninterrupted) {
  const Words length = {"--steps", "12", "--checkpoint-every", "2"};
  const ProcessResult whole = digfusion(toy("denoiser", at("whole.safetensors"), length));
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  expect_part(whole.err, "step 12 of 12");

  // A machine that stands still for seconds may be done before it is asked to stop.
  std::string messages;
  int code = 0;
  for (int attempt = 0; attempt < 5 && code == 0; ++attempt) {
    messages.clear();
    code = run_and_interrupt(toy("denoiser", at("parts.safetensors"), length), messages);
  }
  ASSERT_EQ(code, 1) << messages;
  expect_part(messages, "stopped");
  EXPECT_NE(read_text(at("parts.safetensors")), read_text(at("whole.safetensors")));

  Words again = length;
  again.push_back("--resume");
  const ProcessResult resumed = digfusion(toy("denoiser", at("parts.safetensors"), again));
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_TRUE(read_text(at("parts.safetensors")) == read_text(at("whole.safetensors")));
  EXPECT_FALSE(read_text(at("parts.safetensors")).empty());
}

TEST_F(Train, MakesAStudentThatFuseAndInfoTake) {
  const std::string file = at("student.safetensors");
  const ProcessResult trained =
      digfusion(toy("student", file, {"--steps", "2", "--levels", "200,20", "--seed", "5"}));
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const auto models = nlohmann::json::parse(digfusion({"info", "--json", file}).out);
  EXPECT_EQ(models[0]["kind"], "student");
  EXPECT_EQ(models[0]["timesteps"], nlohmann::json({200, 20}));
  EXPECT_EQ(models[0]["training"]["steps"], 2);
  EXPECT_EQ(models[0]["training"]["seed"], 5);

  const ProcessResult fused =
      digfusion({"fuse", "--visible", write("v.png", picture(1)), "--infrared", write("i.png", picture(2)),
                 "--output", at("f.png"), "--method", "amortised", "--student", file});
  expect_success(fused);
  expect_part(fused.out, file);
  EXPECT_EQ(read_picture(at("f.png")).size(), cv::Size(64, 48));
}

TEST_F(Train, MakesAGradientStudentThatFuseInfoAndEvaluateTake) {
  const std::string file = at("gradient-student.safetensors");
  const ProcessResult trained =
      digfusion(toy("gradient-student", file, {"--steps", "2", "--levels", "200,20"}));
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const auto models = nlohmann::json::parse(digfusion({"info", "--json", file}).out);
  EXPECT_EQ(models[0]["kind"], "gradient-student");
  EXPECT_EQ(models[0]["timesteps"], nlohmann::json({200, 20}));
  const ProcessResult fused =
      digfusion({"fuse", "--visible", write("photos/a.png", picture(1)), "--infrared",
                 write("i.png", picture(2)), "--output", at("f.png"), "--student", file});
  expect_success(fused);
  expect_part(fused.out, file);
  const ProcessResult evaluated = digfusion({"evaluate", "--pictures", at("photos"), "--gradient-student",
                                             file, "--sigma", "20", "--column", "8", "--draws", "1"});
  expect_success(evaluated);
  for (const char* part : {"\n20,0,1,", "\n0,8,1,", "\n200,1,", "\n20,1,"}) expect_part(evaluated.out, part);
}

TEST_F(Train, RefusesWhatItCantDoBeforeItBegins) {
  const auto refused = [&](Words words, const Words& parts) {
    words.insert(words.begin(), "train");
    expect_failure(digfusion(words), 1, parts);
  };
  const std::string output = at("a.safetensors");
  refused({"denoiser", "--output", output, "--patch", "33"}, {"patch", "multiple of 8"});
  refused({"denoiser", "--output", output, "--batch", "0"}, {"batch", "1 or more"});
  refused({"denoiser", "--output", at("none/a.safetensors")}, {"there is no folder", "none"});
  refused({"student", "--output", output, "--levels", "1,2"}, {"levels", "strictly falling"});
  refused({"student", "--output", output, "--pool", "1", "--teacher", at("none.safetensors")},
          {"none.safetensors"});
  write("a.safetensors.checkpoint", std::string("no checkpoint at all"));
  expect_failure(digfusion(toy("denoiser", at("a.safetensors"), {"--resume"})), 1,
                 {"a.safetensors.checkpoint"});
  EXPECT_FALSE(fs::exists(at("a.safetensors")));
}

}  // namespace
}  // namespace digfusion::tools
