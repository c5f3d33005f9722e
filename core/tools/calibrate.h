// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion calibrate`: from pictures of both cameras to the file that the parameter `registration` reads.
#pragma once

#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "core/tools/alignment.h"

namespace digfusion::tools {

struct CalibrateOptions {
  /// Both a picture, a folder (paired by equal stem) or a video (paired by frame number).
  std::string visible, infrared;
  std::string output;     ///< JSON file
  std::string picture;    ///< to check by eye; empty: none
  cv::Size checkerboard;  ///< inner corners; empty: by edges
  int pairs = 8;          ///< at most so many are used, spread over all
};

/// Throws std::runtime_error that names what can't be read or doesn't fit together.
std::vector<AlignmentPair> read_pairs(const CalibrateOptions& options);

/// The file's text.
std::string registration_json(const Alignment& alignment, const AlignmentPair& sizes, int pairs,
                              const std::string& method);

/// The visible picture, the infrared one on its grid, and both in turn as the fields of a checkerboard, side
/// by side; CV_8U.
cv::Mat check_picture(const AlignmentPair& pair, const cv::Matx33d& to_visible);

/// Writes the files and says on standard output what was found. Returns the exit code: 0, or 3 when the
/// result may be wrong.
int run_calibrate(const CalibrateOptions& options);

}  // namespace digfusion::tools
