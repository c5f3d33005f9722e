// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Fusing pictures on disk, through the same door as the GStreamer element (core/interface/interface.h), so
// that the same frame gives the same picture. Every error is a std::runtime_error that names the file.
#pragma once

#include <filesystem>
#include <opencv2/core.hpp>
#include <vector>

#include "core/interface/interface.h"

namespace digfusion::tools {

/// One picture to make.
struct FusionJob {
  std::filesystem::path visible, infrared, output;
};

/// What `fuse --visible V --infrared I --output O` is to do: two files, or two folders whose pictures are
/// paired by equal stem (match_pictures()). A folder as output (one that is there, a name that ends in "/",
/// or whenever the sources are folders) is given pictures of the visible ones' names, but PNG for a JPEG,
/// which would lose what was fused. Makes the output's folder. Throws when a source is missing, the sources
/// aren't both files or both folders, or an output is one of the sources.
std::vector<FusionJob> plan_fusion(const std::filesystem::path& visible,
                                   const std::filesystem::path& infrared,
                                   const std::filesystem::path& output);

/// `picture` (as read_picture() returns it) as a borrowed Image: gray, or RGB of full range, with alpha if it
/// has.
Image as_image(const cv::Mat& picture);

/// Reads both, fuses and writes: the visible picture's size, depth, colour and alpha with the fused luma.
void fuse_files(StreamFuser& fuser, const FusionJob& job);

}  // namespace digfusion::tools
