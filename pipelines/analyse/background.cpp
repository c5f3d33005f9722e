// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/analyse/background.h"

#include <exception>

namespace digfusion::pipelines {

Background::Background(Detector& detector) : detector_(detector), thread_([this] { run(); }) {}

Background::~Background() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Background::offer(const cv::Mat& picture, double time) {
  {
    const std::lock_guard lock(mutex_);
    if (busy_) return;
    picture.copyTo(picture_);
    time_ = time;
    busy_ = true;
  }
  changed_.notify_one();
}

std::optional<Background::Result> Background::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(result_, std::nullopt);
}

void Background::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return busy_ || stopping_; });
    if (stopping_) return;
    Result result{.found = {}, .time = time_, .problem = {}};
    lock.unlock();
    try {
      result.found = detector_.detect(picture_);
    } catch (const std::exception& error) {
      result.problem = error.what();
    }
    lock.lock();
    result_ = std::move(result);
    busy_ = false;
  }
}

}  // namespace digfusion::pipelines
