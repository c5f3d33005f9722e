// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Fusing pictures on disk, through the same door as the GStreamer element (core/interface/interface.h), so
// that the same frame gives the same picture. Every error is a std::runtime_error that names the file.
#pragma once

#include <filesystem>
#include <opencv2/core.hpp>
#include <span>
#include <vector>

#include "core/interface/interface.h"

namespace digfusion::tools {

/// One picture to make.
struct FusionJob {
  std::vector<std::filesystem::path> sources;  ///< 2 to max_sources
  std::filesystem::path output;
};

/// What `fuse --inputs A B … --output O` is to do: two files or more; two folders or more, whose pictures are
/// paired by equal stem (match_pictures()); or one folder, whose pictures belong together by their endings
/// _A, _B, … (group_pictures()). A folder as output (one that is there, a name that ends in "/", or whenever
/// the sources are folders) is given pictures of the sets' stems and the first source's format, but PNG for a
/// JPEG, which would lose what was fused. Makes the output's folder. Throws when a source is missing, the
/// sources are neither all files nor all folders, they are too few or too many, or an output is one of them.
std::vector<FusionJob> plan_fusion(std::span<const std::filesystem::path> inputs,
                                   const std::filesystem::path& output);

/// Reads the sources, fuses and writes: the first picture's size, depth, colour and alpha with the fused
/// luma, or what parameters.mode shows. Where the task takes the colour of all (fuse_colour.h) they must be
/// of one size. `parameters` as the fuser was loaded with; channels=rgb fuses the colours themselves.
void fuse_files(StreamFuser& fuser, const FusionJob& job, const TaskSpec& task, const Parameters& parameters);

/// "a.png, b.png and c.png".
std::string names_text(std::span<const std::filesystem::path> files);

}  // namespace digfusion::tools
