// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A detector in a thread of its own, for live pictures: it takes the newest one whenever it is free, and the
// pictures go on meanwhile.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "pipelines/analyse/detector.h"

namespace digfusion::pipelines {

class Background {
 public:
  explicit Background(Detector& detector);  ///< borrowed; nobody else calls it
  ~Background();                            ///< waits for the picture that the detector has in hand
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  struct Result {
    std::vector<Detection> found;
    double time = 0;      ///< of the picture
    std::string problem;  ///< why the detector failed; empty if it didn't
  };

  /// Copies the picture if the detector is free; never waits for it. `time` comes back with the result.
  void offer(const cv::Mat& picture, double time);
  /// The result since the last call, if there is one.
  std::optional<Result> take();

 private:
  void run();

  Detector& detector_;
  std::mutex mutex_;  ///< a leaf; not held while detecting
  std::condition_variable changed_;
  cv::Mat picture_;  ///< of the thread while `busy_`
  double time_ = 0;
  bool busy_ = false, stopping_ = false;
  std::optional<Result> result_;
  std::thread thread_;  ///< last: everything that it uses is there
};

}  // namespace digfusion::pipelines
