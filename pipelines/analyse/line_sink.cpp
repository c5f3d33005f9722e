// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/analyse/line_sink.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "pipelines/common/failure.h"

namespace digfusion::pipelines {

void LineQueue::push(std::string line) {
  std::unique_lock lock(mutex_);
  if (full_ == Full::wait) changed_.wait(lock, [this] { return lines_.size() < capacity || closed_; });
  if (closed_) return;
  lines_.push_back(std::move(line));
  if (lines_.size() > capacity) {
    lines_.pop_front();
    ++dropped_;
  }
  changed_.notify_all();
}

bool LineQueue::pop(std::string& line, std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, patience, [this] { return !lines_.empty() || closed_; }) || lines_.empty())
    return false;
  line = std::move(lines_.front());
  lines_.pop_front();
  changed_.notify_all();
  return true;
}

void LineQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

bool LineQueue::is_over() const {
  const std::lock_guard lock(mutex_);
  return closed_ && lines_.empty();
}

std::size_t LineQueue::take_dropped() {
  const std::lock_guard lock(mutex_);
  return std::exchange(dropped_, 0);
}

namespace {

int open_lines(const std::string& path) {
  const int file = path == "-" ? ::dup(STDOUT_FILENO)
                               : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) throw Failure("--json " + path + " can't be written: " + std::strerror(errno));
  return file;
}

}  // namespace

FileSink::FileSink(const std::string& path, Full full, std::function<void(const std::string&)> on_end)
    : path_(path), on_end_(std::move(on_end)), file_(open_lines(path)), queue_(full), thread_([this] {
        run();
      }) {}

FileSink::~FileSink() {
  {
    const std::lock_guard lock(mutex_);
    deadline_ = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  }
  queue_.close();
  thread_.join();
  ::close(file_);
}

void FileSink::run() {
  std::string line;
  while (!queue_.is_over()) {
    if (!queue_.pop(line, std::chrono::hours(1))) continue;
    if (write_all(line + '\n')) continue;
    const int error = errno;
    queue_.close();  // whoever writes on isn't held up
    if (!is_late()) on_end_(error == EPIPE ? std::string() : path_ + ": " + std::strerror(error));
    return;
  }
}

bool FileSink::write_all(const std::string& text) {
  for (std::size_t written = 0; written < text.size();) {
    // A pipe that nobody reads isn't written to, since there would be no way out of that.
    pollfd ready{.fd = file_, .events = POLLOUT, .revents = 0};
    while (::poll(&ready, 1, 100) == 0)
      if (is_late()) return false;
    const ssize_t count = ::write(file_, text.data() + written, text.size() - written);
    if (count < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (count > 0) written += static_cast<std::size_t>(count);
  }
  return true;
}

bool FileSink::is_late() const {
  const std::lock_guard lock(mutex_);
  return deadline_ && std::chrono::steady_clock::now() > *deadline_;
}

}  // namespace digfusion::pipelines
