// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Boxes and words in a picture.
#pragma once

#include <opencv2/core.hpp>

#include "pipelines/analyse/regions.h"

namespace digfusion::pipelines {

/// Draws into an 8-bit RGB picture: motion as thin yellow boxes, objects as green ones with type, number and
/// confidence, paler when they were found in an earlier picture.
void draw(cv::Mat& picture, const Findings& findings);

}  // namespace digfusion::pipelines
