// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a detector finds.
#pragma once

#include <opencv2/core.hpp>
#include <string>

namespace digfusion::pipelines {

struct Detection {
  std::string type = "person";  ///< the class's name
  int label = 0;                ///< the class's number
  double confidence = 0;        ///< 0..1
  cv::Rect box;                 ///< pixels of the picture; lies inside it and isn't empty
  int id = 0;                   ///< the same for the same thing in later pictures (tracker.h); 0: not tracked
};

/// Shared area over the area of both together, 0..1.
inline double overlap(const cv::Rect& a, const cv::Rect& b) {
  const double shared = (a & b).area();
  return shared > 0 ? shared / (a.area() + b.area() - shared) : 0;
}

}  // namespace digfusion::pipelines
