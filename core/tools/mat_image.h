// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <opencv2/core.hpp>

#include "core/interface/interface.h"

namespace digfusion::tools {

/// `picture` (as read_picture() returns it) as a borrowed Image: gray, or RGB of full range, with alpha if it
/// has.
Image as_image(const cv::Mat& picture);

}  // namespace digfusion::tools
