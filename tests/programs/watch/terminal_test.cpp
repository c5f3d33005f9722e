// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Keys in a terminal, which has its settings back however the program ends or pauses.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/core/metrics/temporary_folder.h"

namespace digfusion::test {
namespace {

constexpr std::chrono::seconds long_enough{60};

/// A command in a terminal of its own.
class Terminal {
 public:
  explicit Terminal(const std::vector<std::string>& command) {
    std::vector<char*> words;
    for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    process_ = forkpty(&master_, nullptr, nullptr, nullptr);
    if (process_ < 0) throw std::runtime_error("no pseudo-terminal");
    if (process_ == 0) {
      execv(words[0], words.data());
      _exit(127);
    }
    fcntl(master_, F_SETFL, O_NONBLOCK);
  }
  ~Terminal() {
    if (process_ > 0) {
      kill(process_, SIGKILL);
      waitpid(process_, nullptr, 0);
    }
    close(master_);  // hangs up what is left
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void type(const std::string& keys) {
    ASSERT_EQ(write(master_, keys.data(), keys.size()), ssize_t(keys.size()));
  }

  /// Whether `part` comes after what was waited for before.
  bool says(const std::string& part) {
    return wait([&] {
      read_all();
      const std::size_t at = text_.find(part, seen_);
      if (at != std::string::npos) seen_ = at + part.size();
      return at != std::string::npos;
    });
  }
  const std::string& text() const { return text_; }

  /// Whether keys come singly, without echo.
  bool is_single_keys() const {
    termios settings;
    EXPECT_EQ(tcgetattr(master_, &settings), 0);
    EXPECT_EQ(bool(settings.c_lflag & ICANON), bool(settings.c_lflag & ECHO));
    return !(settings.c_lflag & ICANON);
  }

  void signal(int number) { kill(process_, number); }
  /// The exit code, or 128 + the signal; -1 if it doesn't end.
  int exit_code() {
    int status = 0;
    const bool ended = wait([&] {
      read_all();
      return waitpid(process_, &status, WNOHANG) == process_;
    });
    if (!ended) return -1;
    read_all();
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  template <class Done>
  static bool wait(Done done) {
    const auto end = std::chrono::steady_clock::now() + long_enough;
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
  }

 private:
  void read_all() {
    char bytes[4096];
    for (ssize_t count; (count = read(master_, bytes, sizeof bytes)) > 0;)
      text_.append(bytes, std::size_t(count));
  }

  int master_ = -1;
  pid_t process_ = -1;
  std::string text_;
  std::size_t seen_ = 0;
};

std::vector<std::string> watch(const std::vector<std::string>& more = {}) {
  std::vector<std::string> command = {DIGFUSION_WATCH, "--test", "--size", "64x48", "--sink", "fakesink"};
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

std::string in_shell(const std::vector<std::string>& command) {
  std::string line;
  for (const std::string& word : command) line += (line.empty() ? "'" : " '") + word + "'";
  return line;
}

constexpr const char* started = "press ? for the keys";

TEST(TerminalTest, KeysActAtOnceAndWithoutEcho) {
  TemporaryFolder folder;
  Terminal terminal(watch({"--pictures", folder.path}));
  ASSERT_TRUE(terminal.says(started)) << terminal.text();
  EXPECT_TRUE(Terminal::wait([&] { return terminal.is_single_keys(); }));
  terminal.type("v");
  EXPECT_TRUE(terminal.says("shown: the visible camera"));
  terminal.type("I");  // the caps-lock key is no reason to be deaf
  EXPECT_TRUE(terminal.says("shown: the infrared camera"));
  terminal.type("?");
  EXPECT_TRUE(terminal.says("t  statistics"));
  terminal.type("p");
  EXPECT_TRUE(terminal.says("saved "));
  terminal.type("zx\033[A\033OPs");  // nothing, nothing, two keys of several bytes, and one in their company
  EXPECT_TRUE(terminal.says("side by side"));
  terminal.type("f");
  EXPECT_TRUE(terminal.says("shown: the fused picture")) << terminal.text();
  terminal.type("q");
  EXPECT_EQ(terminal.exit_code(), 0);
  EXPECT_FALSE(terminal.is_single_keys());
  EXPECT_EQ(terminal.text().find("zx"), std::string::npos);
}

TEST(TerminalTest, EscapeEnds) {
  Terminal terminal(watch());
  ASSERT_TRUE(terminal.says(started));
  terminal.type("\033");
  EXPECT_EQ(terminal.exit_code(), 0);
  EXPECT_FALSE(terminal.is_single_keys());
}

TEST(TerminalTest, SettingsComeBackAfterSignals) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    SCOPED_TRACE(number);
    Terminal terminal(watch());
    ASSERT_TRUE(terminal.says(started));
    ASSERT_TRUE(Terminal::wait([&] { return terminal.is_single_keys(); }));
    terminal.signal(number);
    EXPECT_EQ(terminal.exit_code(), 0);
    EXPECT_FALSE(terminal.is_single_keys());
  }
}

TEST(TerminalTest, SettingsComeBackAfterAnError) {
  Terminal terminal({DIGFUSION_WATCH, "--test", "--sink", "identity error-after=20 ! fakesink"});
  ASSERT_TRUE(terminal.says(started));
  EXPECT_EQ(terminal.exit_code(), 1);
  EXPECT_FALSE(terminal.is_single_keys());
}

TEST(TerminalTest, CtrlZGivesTheShellItsTerminal) {
  Terminal terminal(
      {"/bin/bash", "-c",
       "set -m; " + in_shell(watch()) + "; stty -a; echo STOPPED; sleep 0.5; fg; echo \"CODE $?\""});
  ASSERT_TRUE(terminal.says(started));
  ASSERT_TRUE(Terminal::wait([&] { return terminal.is_single_keys(); }));
  terminal.type("\x1a");
  ASSERT_TRUE(terminal.says(" icanon")) << terminal.text();  // "-icanon" while keys came singly
  ASSERT_TRUE(terminal.says("STOPPED"));
  EXPECT_TRUE(Terminal::wait([&] { return terminal.is_single_keys(); })) << terminal.text();
  terminal.type("v");
  EXPECT_TRUE(terminal.says("shown: the visible camera"));
  terminal.type("q");
  EXPECT_TRUE(terminal.says("CODE 0")) << terminal.text();
}

TEST(TerminalTest, InTheBackgroundTheTerminalIsTheShells) {
  Terminal terminal({"/bin/bash", "-c",
                     "set -m; " + in_shell(watch({"--frames", "30"})) +
                         " & wait $!; echo \"CODE $?\"; read -r line; echo \"READ $line\""});
  ASSERT_TRUE(terminal.says(started));
  EXPECT_FALSE(terminal.is_single_keys());
  terminal.type("quite\n");
  EXPECT_TRUE(terminal.says("CODE 0")) << terminal.text();  // not stopped, and not ended by the q
  EXPECT_TRUE(terminal.says("READ quite")) << terminal.text();
}

}  // namespace
}  // namespace digfusion::test
