// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Other people's scores, as a CSV file brings them.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/metrics/metrics.h"

namespace digfusion::tools {

struct PublishedMethod {
  std::string name;
  /// By the picture's stem; a file of means alone has one entry, "mean".
  std::map<std::string, metrics::Figures> figures;
};

/// Reads a CSV file whose first line names the columns: "method", perhaps "picture", and all of
/// metrics::columns; other columns are left alone. The methods keep the file's order. Throws
/// std::runtime_error naming file, line and what is wrong.
std::vector<PublishedMethod> read_published(const std::filesystem::path& file);

/// The mean over the pictures named, or "mean" where that is all there is. Throws std::runtime_error naming
/// method and picture when one is missing.
metrics::Figures mean_figures(const PublishedMethod& method, const std::vector<std::string>& pictures);

}  // namespace digfusion::tools
