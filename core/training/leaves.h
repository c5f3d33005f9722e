// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Training pictures that nobody photographed: dead leaves (Lee, Mumford, Huang, 2001), that is, shapes of
// power-law sizes that cover each other, with shading, textures, stripes, lettering and defocus. Their
// statistics of edges and contrasts come near those of photographs. No relation to core/scene, which stays a
// test.
#pragma once

#include <cstdint>
#include <opencv2/core.hpp>
#include <vector>

namespace digfusion {

/// Pictures number 0, 1, 2, … of a seed, each a pure function of (seed, number, size).
class LeavesGenerator {
 public:
  explicit LeavesGenerator(std::uint64_t seed);

  /// A luma picture, CV_8UC1, size×size; 16 <= size <= 1024.
  cv::Mat picture(std::uint64_t number, int size) const;

 private:
  std::uint64_t seed_;
  std::vector<cv::Mat> textures_;  // CV_32FC1, mean 0, standard deviation 1, periodic
};

}  // namespace digfusion
