// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/program.h"

#include <glib-unix.h>
#include <gst/gst.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <memory>
#include <new>
#include <utility>

#include "core/tools/parameter_options.h"
#include "pipelines/common/failure.h"
#include "pipelines/common/main_source.h"
#include "plugin/own_plugin.h"

namespace digfusion::pipelines {
namespace {

/// A function on its way to the main thread.
struct Posted {
  std::function<void()> function;
  std::weak_ptr<const int> program;  ///< gone: too late
};

/// Whether our parent wants us to ignore it (nohup).
bool is_ignored(int number) {
  struct sigaction action {};
  return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

/// One write, so that lines of several threads stay whole.
void print(const std::string& name, const std::string& line) {
  const std::string text = name + ": " + without_passwords(line) + "\n";
  std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace

struct Program::State {
  State(std::string program_name, bool is_quiet) : name(std::move(program_name)), quiet(is_quiet) {}

  const std::string name;
  const bool quiet;

  const std::shared_ptr<const int> alive = std::make_shared<int>();

  static constexpr int running = -1;
  std::atomic<int> exit_code = running;
  std::deque<MainSource> timers;  ///< main thread
};

Program::Program(std::string name, bool quiet) : state_(std::make_unique<State>(std::move(name), quiet)) {}

Program::~Program() = default;

int Program::run(std::function<void()> on_interrupt) {
  int interrupted = 0;
  std::deque<MainSource> signals;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    if (is_ignored(number)) continue;
    signals.emplace_back(g_unix_signal_source_new(number),
                         guarded([this, number, &interrupted, &on_interrupt] {
                           if (std::exchange(interrupted, number) != 0)
                             quit(128 + number);
                           else if (on_interrupt)
                             on_interrupt();
                           else
                             quit();
                         }));
  }
  while (state_->exit_code == State::running) g_main_context_iteration(nullptr, TRUE);
  return state_->exit_code;
}

void Program::quit(int exit_code) {
  int expected = State::running;
  state_->exit_code.compare_exchange_strong(expected, exit_code);
  g_main_context_wakeup(nullptr);
}

void Program::fail(const std::string& why) {
  int expected = State::running;
  if (state_->exit_code.compare_exchange_strong(expected, 1)) print(state_->name, why);
  g_main_context_wakeup(nullptr);
}

std::function<void()> Program::guarded(std::function<void()> function) {
  // What is called is called by C, which knows no exceptions.
  return [this, function = std::move(function)] {
    try {
      function();
    } catch (const std::exception& error) {
      fail(error.what());
    }
  };
}

void Program::post(std::function<void()> function) {
  GSource* source = g_idle_source_new();
  g_source_set_priority(source, G_PRIORITY_DEFAULT);
  g_source_set_callback(
      source,
      [](gpointer data) -> gboolean {
        const auto* posted = static_cast<Posted*>(data);
        if (!posted->program.expired()) posted->function();
        return G_SOURCE_REMOVE;
      },
      new Posted{guarded(std::move(function)), state_->alive},
      [](gpointer data) { delete static_cast<Posted*>(data); });
  g_source_attach(source, nullptr);
  g_source_unref(source);
}

void Program::every(unsigned interval, std::function<void()> function) {
  state_->timers.push_back(MainSource::timer(interval, guarded(std::move(function))));
}

void Program::say(const std::string& line) const {
  if (!state_->quiet) print(state_->name, line);
}

void Program::warn(const std::string& line) const { print(state_->name, line); }

// ---- main()

namespace {

int fail(const std::string& name, const char* why, int exit_code) {
  print(name, why);
  return exit_code;
}

void start_gstreamer() {
  GError* error = nullptr;
  if (!gst_init_check(nullptr, nullptr, &error)) {
    const std::string why = error ? error->message : "unknown error";
    g_clear_error(&error);
    throw Failure("GStreamer can't be started: " + why);
  }
  if (const auto problem = load_own_plugin()) throw Failure(*problem);
}

}  // namespace

int run_program(int argc, char** argv, const std::string& name, const std::string& purpose,
                const std::function<void(CLI::App&)>& add,
                const std::function<int(const CommonOptions&)>& run) {
  // Before anything starts a thread: the environment mustn't change under them.
  if (!std::getenv("OMP_WAIT_POLICY")) ::setenv("GOMP_SPINCOUNT", "5000", 0);
  ::signal(SIGPIPE, SIG_IGN);
  try {
    start_gstreamer();
    CLI::App app(purpose, name);
    app.set_version_flag("--version", DIGFUSION_VERSION);
    app.formatter(std::make_shared<tools::HelpFormatter>());
    app.failure_message([&name](const CLI::App*, const CLI::Error& error) {
      return name + ": " + without_passwords(error.what()) + "\nRun " + name + " --help.\n";
    });
    app.footer("Exit codes: 0 done, 1 failed, 2 the command line can't be understood.");
    add(app);
    const CommonOptions options(app);
    try {
      app.parse(argc, argv);
      const int exit_code = run(options);
      if (std::fflush(stdout) != 0 || std::ferror(stdout)) throw Failure("can't write to standard output");
      return exit_code;
    } catch (const CLI::ParseError& error) {
      return app.exit(error) == 0 ? 0 : 2;
    } catch (const UsageFailure& error) {
      return app.exit(CLI::ValidationError(error.what())) == 0 ? 0 : 2;
    }
  } catch (const std::bad_alloc&) {
    return fail(name, "out of memory", 1);
  } catch (const std::exception& error) {
    return fail(name, error.what(), 1);
  } catch (...) {
    return fail(name, "an unknown error", 1);
  }
}

}  // namespace digfusion::pipelines
