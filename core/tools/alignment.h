// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Finds where an infrared picture lies on a visible one, from the pictures alone. The two agree in where
// edges are and how they run, not in which side is brighter, so all of this compares edges' directions.
#pragma once

#include <opencv2/core.hpp>
#include <span>
#include <string>
#include <vector>

namespace digfusion::tools {

/// Of one moment: luma of any scale, CV_32F. All pairs have the same two sizes.
struct AlignmentPair {
  cv::Mat visible, infrared;
};

struct Alignment {
  cv::Matx33d to_visible;  ///< infrared pixel → visible pixel, both from the centre of the upper left one
  /// How far parts of the pictures still lie apart: median over the parts that can be told, in visible
  /// pixels.
  double residual = 0;
  int parts = 0;        ///< those that can be told
  double agreeing = 0;  ///< share of them that lie apart by no more than two pixels of the coarser picture
  double overlap = 0;   ///< share of the infrared picture that lies within the visible one
  std::string doubt;    ///< why the result may be wrong; empty when it is sure
};

/// A start over scales and rotations by the correlation of edge directions (core/image/place_search.h), then
/// a homography by Gauss-Newton on edge channels (core/image/edge_step.h), coarse to fine. Frames of one
/// colour around the pictures are left out.
/// The infrared picture may be a quarter to one and a half times as wide as the visible one on its grid,
/// turned by up to 10 degrees. Throws std::runtime_error for no pairs and for pictures that are too small; of
/// pictures without edges it isn't sure.
Alignment align(std::span<const AlignmentPair> pairs);

}  // namespace digfusion::tools
