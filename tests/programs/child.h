// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A program under test, as its user starts it: its lines, its end, its signals. Each wait has a time limit.
#pragma once

#include <gio/gio.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace digfusion::test {

/// The environment variable, or an empty text.
inline std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// Killed, if it still runs, when it goes out of scope. Standard input is empty.
class Child {
 public:
  using Seconds = std::chrono::duration<double>;
  /// Generous: only a hang takes it.
  static constexpr Seconds long_enough{60};

  /// `extra` is added to the environment. Throws std::runtime_error when it can't be started.
  explicit Child(const std::vector<std::string>& command,
                 const std::vector<std::pair<std::string, std::string>>& extra = {}) {
    GSubprocessLauncher* launcher = g_subprocess_launcher_new(static_cast<GSubprocessFlags>(
        int{G_SUBPROCESS_FLAGS_STDOUT_PIPE} | int{G_SUBPROCESS_FLAGS_STDERR_PIPE}));
    for (const auto& [name, value] : extra)
      g_subprocess_launcher_setenv(launcher, name.c_str(), value.c_str(), TRUE);
    std::vector<const gchar*> words;
    for (const std::string& word : command) words.push_back(word.c_str());
    words.push_back(nullptr);
    GError* error = nullptr;
    process_ = g_subprocess_launcher_spawnv(launcher, words.data(), &error);
    g_object_unref(launcher);
    if (!process_) {
      const std::string why = error->message;
      g_clear_error(&error);
      throw std::runtime_error("can't start " + command.front() + ": " + why);
    }
    threads_[0] = std::thread([this] { read(g_subprocess_get_stdout_pipe(process_), out_); });
    threads_[1] = std::thread([this] { read(g_subprocess_get_stderr_pipe(process_), err_); });
    threads_[2] = std::thread([this] { await_end(); });
  }

  ~Child() {
    g_subprocess_force_exit(process_);
    threads_[2].join();
    // A grandchild may hold the pipes open.
    g_cancellable_cancel(cancellable_);
    threads_[0].join();
    threads_[1].join();
    g_object_unref(process_);
    g_object_unref(cancellable_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Standard output and standard error so far.
  std::string out() const { return copy(out_); }
  std::string err() const { return copy(err_); }

  /// Whether `part` comes on standard error (`err_has`) or standard output within the limit; it may have come
  /// already. Also over when the program is.
  bool err_has(const std::string& part, Seconds limit = long_enough) const { return has(err_, part, limit); }
  bool out_has(const std::string& part, Seconds limit = long_enough) const { return has(out_, part, limit); }

  /// The exit code, or 128 + the signal that ended it; nothing if it still runs after the limit. All that it
  /// wrote has been read then.
  std::optional<int> wait(Seconds limit = long_enough) const {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, limit, [this] { return exit_code_ && readers_ == 0; });
    return exit_code_;
  }

  void signal(int number) { g_subprocess_send_signal(process_, number); }
  /// Its process number, as text; empty after its end.
  std::string id() const {
    const gchar* text = g_subprocess_get_identifier(process_);
    return text ? text : "";
  }

 private:
  std::string copy(const std::string& text) const {
    const std::lock_guard lock(mutex_);
    return text;
  }

  bool has(const std::string& text, const std::string& part, Seconds limit) const {
    std::unique_lock lock(mutex_);
    const auto found = [&] { return text.find(part) != std::string::npos; };
    changed_.wait_for(lock, limit, [&] { return found() || (exit_code_ && readers_ == 0); });
    return found();
  }

  void read(GInputStream* stream, std::string& text) {
    char bytes[4096];
    gssize count;
    while ((count = g_input_stream_read(stream, bytes, sizeof bytes, cancellable_, nullptr)) > 0) {
      const std::lock_guard lock(mutex_);
      text.append(bytes, static_cast<std::size_t>(count));
      changed_.notify_all();
    }
    const std::lock_guard lock(mutex_);
    --readers_;
    changed_.notify_all();
  }

  void await_end() {
    g_subprocess_wait(process_, nullptr, nullptr);
    const std::lock_guard lock(mutex_);
    exit_code_ = g_subprocess_get_if_signaled(process_) ? 128 + g_subprocess_get_term_sig(process_)
                                                        : g_subprocess_get_exit_status(process_);
    changed_.notify_all();
  }

  GSubprocess* process_ = nullptr;
  GCancellable* cancellable_ = g_cancellable_new();
  std::array<std::thread, 3> threads_;

  mutable std::mutex mutex_;  ///< of all below
  mutable std::condition_variable changed_;
  std::string out_, err_;
  int readers_ = 2;
  std::optional<int> exit_code_;
};

}  // namespace digfusion::test
