// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A thread for what is a thread's own in LibTorch: cuDNN's choices of algorithms and the libraries' handles
// are kept for each thread, so that a network which is evaluated now by one and now by another is tuned for
// all of them, and can't be recorded as a graph by one that hasn't.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace digfusion {

class Worker {
 public:
  Worker();
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Returns when `work` is done in the worker's thread, with as many threads for LibTorch's loops as the
  /// caller has; throws what it throws. From one thread at a time.
  void run(const std::function<void()>& work);

 private:
  void serve();

  std::mutex mutex_;  // of all below
  std::condition_variable changed_;
  const std::function<void()>* work_ = nullptr;  // until it is done
  int threads_ = 1;
  std::exception_ptr error_;
  bool ended_ = false;
  std::thread thread_;  // the last: it begins with all of the others
};

}  // namespace digfusion
