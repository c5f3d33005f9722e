// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/session.h"

#include <cstring>
#include <exception>
#include <string>
#include <utility>

namespace digfusion {

Session::~Session() { stop(); }

bool Session::open(std::string& message) {
  core_ = open_core(message);
  if (!core_.create) return false;
  Status status;
  const std::lock_guard lock(fuser_mutex_);
  fuser_ = core_.new_fuser(status);
  if (!fuser_) message = core_.file + ": " + status.message;
  return fuser_ != nullptr;
}

void Session::close() {
  const std::lock_guard lock(fuser_mutex_);
  fuser_.reset();
}

Status Session::start(const Parameters& parameters, LogSink sink, void* user) {
  Status status;
  {
    const std::lock_guard fuser_lock(fuser_mutex_);
    if (!fuser_) fuser_ = core_.new_fuser(status);
    if (!fuser_) return status;
    const std::lock_guard lock(mutex_);
    phase_ = Phase::loading;
    stopping_ = interrupted_ = false;
    width_ = height_ = 0;
    load_failure_ = {};
    statistics_ = {};
  }
  try {
    loader_ = std::thread([this, parameters, sink, user] { load(parameters, sink, user); });
  } catch (const std::exception& error) {
    status.code = ErrorCode::internal;
    std::strncpy(status.message, error.what(), sizeof status.message - 1);
  }
  return status;
}

void Session::load(const Parameters& parameters, LogSink sink, void* user) {
  Status status;
  {
    const std::lock_guard lock(fuser_mutex_);
    status = fuser_->load(parameters, sink, user);
  }
  int width = 0, height = 0;
  {
    std::unique_lock lock(mutex_);
    if (!status.ok()) {
      load_failure_ = status;
      phase_ = Phase::failed;
      changed_.notify_all();
      return;
    }
    changed_.wait(lock, [this] { return stopping_ || width_ > 0; });
    if (stopping_) return;
    width = width_;
    height = height_;
  }
  {
    const std::lock_guard lock(fuser_mutex_);
    status = fuser_->warm_up(width, height);
  }
  // Whatever kept it from warming up will keep it from fusing, and is reported with the picture that it
  // spoils.
  if (!status.ok() && sink) sink(user, LogLevel::info, status.message);
  const std::lock_guard lock(mutex_);
  phase_ = Phase::ready;
  changed_.notify_all();
}

void Session::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (loader_.joinable()) loader_.join();
  const std::lock_guard fuser_lock(fuser_mutex_);
  bool was_ready;
  {
    const std::lock_guard lock(mutex_);
    was_ready = std::exchange(phase_, Phase::stopped) == Phase::ready;
  }
  if (was_ready) keep_statistics();
  fuser_.reset();
}

void Session::set_size(int width, int height) {
  const std::lock_guard lock(mutex_);
  width_ = width;
  height_ = height;
  changed_.notify_all();
}

void Session::interrupt(bool interrupted) {
  const std::lock_guard lock(mutex_);
  interrupted_ = interrupted;
  changed_.notify_all();
}

Session::Readiness Session::wait_ready() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return interrupted_ || phase_ != Phase::loading; });
  if (phase_ == Phase::ready) return Readiness::ready;
  return phase_ == Phase::failed ? Readiness::failed : Readiness::interrupted;
}

Status Session::load_failure() const {
  const std::lock_guard lock(mutex_);
  return load_failure_;
}

Status Session::configure(const Parameters& parameters) {
  const std::lock_guard lock(fuser_mutex_);
  return fuser_->configure(parameters);
}

Status Session::fuse(const Image* sources, std::size_t count, const Image& output) {
  const std::lock_guard lock(fuser_mutex_);
  const Status status = fuser_->fuse(sources, count, output);
  keep_statistics_at_times();
  return status;
}

int Session::frames_in_flight() const {
  const std::lock_guard lock(fuser_mutex_);
  return fuser_->frames_in_flight();
}

Status Session::begin(const Image* sources, std::size_t count, const Image& output) {
  const std::lock_guard lock(fuser_mutex_);
  return fuser_->begin(sources, count, output);
}

Status Session::finish() {
  const std::lock_guard lock(fuser_mutex_);
  const Status status = fuser_->finish();
  keep_statistics_at_times();
  return status;
}

void Session::reset() {
  {
    const std::lock_guard lock(mutex_);
    if (phase_ != Phase::ready) return;  // nothing to forget
  }
  const std::lock_guard lock(fuser_mutex_);
  if (fuser_) fuser_->reset();
}

FrameReport Session::report() const {
  const std::lock_guard lock(fuser_mutex_);
  return fuser_ ? fuser_->report() : FrameReport{};
}

Statistics Session::statistics() const {
  if (std::unique_lock lock(fuser_mutex_, std::try_to_lock); lock && fuser_) {
    bool loaded;
    {
      const std::lock_guard state(mutex_);
      loaded = phase_ == Phase::ready;
    }
    if (loaded) return fuser_->statistics();
  }
  const std::lock_guard lock(mutex_);
  return statistics_;
}

void Session::keep_statistics_at_times() {
  // Summing up a thousand times takes a while.
  const auto now = std::chrono::steady_clock::now();
  if (now - kept_at_ <= std::chrono::milliseconds(250)) return;
  kept_at_ = now;
  keep_statistics();
}

void Session::keep_statistics() {
  const auto statistics = fuser_->statistics();
  const std::lock_guard lock(mutex_);
  statistics_ = statistics;
}

}  // namespace digfusion
