// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The pictures of the paper's experiments, as folders hold them.
#pragma once

#include <filesystem>
#include <opencv2/core.hpp>
#include <span>
#include <string>
#include <vector>

#include "core/parameters/parameters.h"
#include "core/tools/pictures.h"

namespace digfusion::tools {

/// Pairs of one kind.
struct Dataset {
  std::string name;  ///< the folder's
  Task task;
  std::vector<std::string> sources;  ///< the two subfolders' names
  std::vector<PictureSet> pairs;     ///< by stem
};

/// The data sets in a folder: the folder itself when it has the subfolders visible and infrared (or vi and
/// ir, vis and ir), a and b (multi-focus), over and under (multi-exposure); else each of its own subfolders
/// that has, in the order of the names. `tasks`: which kinds are wanted. At most `limit` pairs of each,
/// spread evenly over the names; 0 for all. Throws std::runtime_error when there is none, or pictures lack
/// their partner (match_pictures()).
std::vector<Dataset> find_datasets(const std::filesystem::path& folder, std::span<const Task> tasks,
                                   int limit);

/// Lumas of the pair, as luma() makes them, both scaled alike (by area) to a longest side of `size` when they
/// are larger and it isn't 0. Throws std::runtime_error naming the files when a picture can't be read or
/// sizes differ.
std::vector<cv::Mat> read_pair(const PictureSet& pair, int size);

}  // namespace digfusion::tools
