// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tells which detection is the same thing as one before: by overlap alone, the best pairs first. That holds
// for things that move less than their own size between two detections and don't cross; it is no
// re-identification.
#pragma once

#include <vector>

#include "pipelines/analyse/detection.h"

namespace digfusion::pipelines {

class Tracker {
 public:
  /// Gives each detection its `id`: that of the thing of the same type that it overlaps most, or a new one,
  /// counted from 1. `time`: seconds, not before the last call's.
  void track(std::vector<Detection>& found, double time);

 private:
  static constexpr double least_overlap = .3;
  static constexpr double memory = 1;  ///< seconds for which a thing that isn't found is waited for

  struct Track {
    Detection last;
    double seen = 0;
  };
  std::vector<Track> tracks_;
  int last_id_ = 0;
};

}  // namespace digfusion::pipelines
