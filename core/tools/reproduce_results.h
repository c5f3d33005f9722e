// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What has been measured for one table of `digfusion reproduce`, and the means and ranks that follow from it.
#pragma once

#include <string>
#include <vector>

#include "core/tools/reproduce_data.h"
#include "core/tools/score.h"

namespace digfusion::tools {

/// One fused picture, or a mean, with its figures.
struct TableEntry {
  std::string dataset;
  ScoreRow score;          ///< method, picture, figures
  double seconds = 0;      ///< of the fusion; NaN for a baseline
  double evaluations = 0;  ///< of the network; NaN for a baseline
};

struct TableResults {
  int table = 0;  ///< 1..5
  std::vector<Dataset> datasets;
  std::vector<TableEntry> entries;
  std::string computed_on;  ///< "cpu in bfloat16"

  std::string name() const { return "table" + std::to_string(table); }
};

bool is_baseline(const TableEntry& entry);

/// The figure of a column as the paper's tables name them ("PSNR" is there PSNR(a,f) + PSNR(b,f), "MI" here
/// in bits), NaN where there is none.
double paper_figure(const TableEntry& entry, const std::string& column);

/// The methods' means over a data set's pairs, in the order of the methods, baselines last.
std::vector<TableEntry> means_of(const TableResults& results, const std::string& dataset);

/// figure_ranks() (reproduce_statistics.h) of the means.
std::vector<double> ranks_of(const std::vector<TableEntry>& means);

}  // namespace digfusion::tools
