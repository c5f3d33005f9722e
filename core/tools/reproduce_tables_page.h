// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What `digfusion reproduce tableN` writes of its results: the paper's rows beside ours.
#pragma once

#include "core/tools/reproduce_report.h"
#include "core/tools/reproduce_results.h"

namespace digfusion::tools {

/// tableN_pictures.csv (every picture), tableN.csv (means, all metrics), tableN.md and, for each data set,
/// tableN_DATASET.png (the paper's columns) in the output folder. Throws std::runtime_error.
void write_table_pages(const TableResults& results, const ReproduceOptions& options);

}  // namespace digfusion::tools
