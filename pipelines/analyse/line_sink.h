// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where lines go: standard output, a file, an MQTT broker (mqtt.h).
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "pipelines/common/bridge.h"

namespace digfusion::pipelines {

class LineSink {
 public:
  virtual ~LineSink() = default;
  /// Any thread. `line` has no line feed.
  virtual void write(std::string line) = 0;
  /// Any thread: nothing more is written, and who waits in write() goes on.
  virtual void close() = 0;
};

/// Lines on their way to a thread that may be slower; the oldest are dropped, or the writer waits.
class LineQueue {
 public:
  static constexpr std::size_t capacity = 1000;

  explicit LineQueue(Full full) : full_(full) {}
  void push(std::string line);
  /// Waits for a line for as long as `patience`; false if none came.
  bool pop(std::string& line, std::chrono::milliseconds patience);
  void close();  ///< nothing more comes and nobody waits any longer; what is there can still be popped
  bool is_over() const;  ///< closed and empty
  /// Lines dropped since the last call.
  std::size_t take_dropped();

 private:
  const Full full_;
  mutable std::mutex mutex_;  ///< a leaf
  std::condition_variable changed_;
  std::deque<std::string> lines_;
  std::size_t dropped_ = 0;
  bool closed_ = false;
};

/// A file or standard output, written by a thread of its own, so that a reader who stops reading stops nobody
/// else.
class FileSink : public LineSink {
 public:
  /// `path`: is appended to; "-" is standard output. `full`: what happens when the reader is 1000 lines
  /// behind. `on_end`: nothing more can be written, called once on the sink's thread with the reason, or with
  /// an empty text when the reader has gone (`… | head`). Throws Failure: can't be opened.
  FileSink(const std::string& path, Full full, std::function<void(const std::string&)> on_end);
  ~FileSink() override;  ///< writes what is left, for at most two seconds
  FileSink(const FileSink&) = delete;
  FileSink& operator=(const FileSink&) = delete;
  void write(std::string line) override { queue_.push(std::move(line)); }
  void close() override { queue_.close(); }

 private:
  void run();
  /// False when it can't be, and after the last two seconds.
  bool write_all(const std::string& text);
  bool is_late() const;

  const std::string path_;
  const std::function<void(const std::string&)> on_end_;
  int file_;
  LineQueue queue_;
  mutable std::mutex mutex_;  ///< of deadline_; a leaf
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  std::thread thread_;
};

}  // namespace digfusion::pipelines
