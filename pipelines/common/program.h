// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the programs' main() functions share: start, command line, main loop, signals, exit code.
#pragma once

#include <glib.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>

#include "pipelines/common/options.h"

namespace digfusion::pipelines {

/// The main loop of a program. Made by run_program(); everything that isn't said to be of another thread
/// happens on its thread, the default main context. What a function called there throws ends the program by
/// fail().
class Program {
 public:
  Program(std::string name, bool quiet);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// Runs until quit(). Interrupt and terminate (SIGINT, SIGTERM, SIGHUP) call `on_interrupt`, which ends
  /// things in order and calls quit(); the second one quits at once with exit code 130 (143). Signals that
  /// the parent process ignores stay ignored (nohup). Returns the exit code.
  int run(std::function<void()> on_interrupt);

  /// Any thread. The first call decides the exit code.
  void quit(int exit_code = 0);
  /// Says why on standard error, then quit(1). Any thread.
  void fail(const std::string& why);

  /// Calls `function` on the main thread, soon, unless this is gone by then. Any thread.
  void post(std::function<void()> function);
  /// Calls `function` every `interval` milliseconds on the main thread for as long as this lives.
  void every(unsigned interval, std::function<void()> function);

  /// A line for the operator on standard error, "digfusion-watch: …"; not with --quiet. Any thread.
  void say(const std::string& line) const;
  /// The same whether --quiet or not: problems that don't end the program.
  void warn(const std::string& line) const;

  /// `function`, with fail() for what it throws: for callbacks from C.
  std::function<void()> guarded(std::function<void()> function);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// main() of a program: starts GStreamer (the plugin is found beside an uninstalled program as it is when
/// installed; GOMP_SPINCOUNT=5000 is set before LibTorch is loaded, unless the user has OMP_WAIT_POLICY: its
/// threads would otherwise spin for long while decoders and encoders wait for the processor), lets `add` add its options to the common ones,
/// parses, runs `run`, and makes exceptions the exit code: 0 done, 1 failed, 2 the command line can't be
/// understood. SIGPIPE is ignored: a reader of standard output that goes away is an error of writing, not the
/// end of a recording. `name` as typed ("digfusion-watch"), `purpose` one sentence for --help.
int run_program(int argc, char** argv, const std::string& name, const std::string& purpose,
                const std::function<void(CLI::App&)>& add,
                const std::function<int(const CommonOptions&)>& run);

}  // namespace digfusion::pipelines
