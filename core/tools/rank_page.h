// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What `digfusion rank` writes.
#pragma once

#include <string>
#include <vector>

#include "core/tools/rank.h"
#include "core/tools/reproduce_data.h"

namespace digfusion::tools {

/// The table as Markdown: rank, the figures, and what noise adds.
std::string rank_markdown(const RankTable& table);

/// "all pairs", "every third pair (tuned on)", "the other two thirds".
std::string part_text(Part part);

/// rank.md, rank.csv and rank.png in the output folder. Throws std::runtime_error.
void write_rank_pages(const RankOptions& options, const Dataset& data, const std::string& computed_on,
                      const std::vector<RankTable>& tables);

}  // namespace digfusion::tools
