// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/reproduce_results.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/tools/reproduce_statistics.h"

namespace digfusion::tools {
namespace {

std::vector<std::string> methods_of(const TableResults& results, const std::string& dataset) {
  std::vector<std::string> methods;
  for (const TableEntry& entry : results.entries)
    if (entry.dataset == dataset &&
        std::find(methods.begin(), methods.end(), entry.score.method) == methods.end())
      methods.push_back(entry.score.method);
  return methods;
}

TableEntry mean_of(const TableResults& results, const std::string& dataset, const std::string& method) {
  std::vector<ScoreRow> rows;
  TableEntry mean{dataset, {}};
  for (const TableEntry& entry : results.entries) {
    if (entry.dataset != dataset || entry.score.method != method) continue;
    rows.push_back(entry.score);
    mean.seconds += entry.seconds;
    mean.evaluations += entry.evaluations;
  }
  mean.seconds /= static_cast<double>(rows.size());
  mean.evaluations /= static_cast<double>(rows.size());
  mean.score = mean_row(method, rows);
  return mean;
}

}  // namespace

bool is_baseline(const TableEntry& entry) { return std::isnan(entry.seconds); }

double paper_figure(const TableEntry& entry, const std::string& column) {
  constexpr double nothing = std::numeric_limits<double>::quiet_NaN();
  const metrics::Figures& figures = entry.score.figures;
  if (column == "PSNR") return figures.psnr_sum;
  if (column == "MI") return figures.mi * std::numbers::log2e;
  if (column == "LPIPS") return entry.score.lpips.value_or(nothing);
  if (column == "seconds") return entry.seconds;
  for (const metrics::Column& known : metrics::columns)
    if (column == known.name) return figures.*known.value;
  return nothing;
}

std::vector<TableEntry> means_of(const TableResults& results, const std::string& dataset) {
  std::vector<TableEntry> means;
  for (const std::string& method : methods_of(results, dataset))
    means.push_back(mean_of(results, dataset, method));
  return means;
}

std::vector<double> ranks_of(const std::vector<TableEntry>& means) {
  std::vector<metrics::Figures> figures;
  for (const TableEntry& mean : means) figures.push_back(mean.score.figures);
  return figure_ranks(figures);
}

}  // namespace digfusion::tools
