// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/device/worker.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <utility>

#include "core/device/device.h"

namespace digfusion {

Worker::Worker() : thread_([this] { serve(); }) {}

Worker::~Worker() {
  {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Worker::run(const std::function<void()>& work) {
  std::unique_lock lock(mutex_);
  threads_ = at::get_num_threads();
  work_ = &work;
  changed_.notify_all();
  changed_.wait(lock, [this] { return !work_; });
  if (const std::exception_ptr error = std::exchange(error_, nullptr)) std::rethrow_exception(error);
}

void Worker::serve() {
  const c10::InferenceMode inference;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return work_ || ended_; });
    if (ended_) return;
    const std::function<void()>& work = *work_;
    const int threads = threads_;
    lock.unlock();
    std::exception_ptr error;
    try {
      use_threads(threads);
      work();
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    error_ = std::move(error);
    work_ = nullptr;
    changed_.notify_all();
  }
}

}  // namespace digfusion
