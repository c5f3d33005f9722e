// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the classes of a model are called.
#pragma once

#include <string>
#include <vector>

namespace digfusion::pipelines {

/// The 80 classes of COCO in the order of its models' outputs ("person" is the first).
const std::vector<std::string>& coco_names();

/// One name a line; blank lines at the end don't count. Throws Failure: can't be read, empty.
std::vector<std::string> read_names(const std::string& path);

}  // namespace digfusion::pipelines
