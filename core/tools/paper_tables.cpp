// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/paper_tables.h"

#include <algorithm>
#include <limits>
#include <sstream>

#include "core/tools/paper_tables_csv.h"

namespace digfusion::tools {
namespace {

std::vector<PaperFigure> parse() {
  std::vector<PaperFigure> figures;
  std::istringstream lines(paper_tables_csv);
  std::string line;
  std::getline(lines, line);  // the head
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    fields.imbue(std::locale::classic());
    std::string table;
    PaperFigure figure;
    std::getline(fields, table, ',');
    std::getline(fields, figure.dataset, ',');
    std::getline(fields, figure.method, ',');
    std::getline(fields, figure.metric, ',');
    fields >> figure.value;
    figure.table = std::stoi(table);
    figures.push_back(std::move(figure));
  }
  return figures;
}

}  // namespace

std::span<const PaperFigure> paper_figures() {
  static const std::vector<PaperFigure> figures = parse();
  return figures;
}

std::vector<std::string> paper_columns(int table) {
  std::vector<std::string> columns;
  for (const PaperFigure& figure : paper_figures())
    if (figure.table == table && std::find(columns.begin(), columns.end(), figure.metric) == columns.end())
      columns.push_back(figure.metric);
  return columns;
}

std::vector<PaperRow> paper_rows(int table) {
  const std::vector<std::string> columns = paper_columns(table);
  std::vector<PaperRow> rows;
  for (const PaperFigure& figure : paper_figures()) {
    if (figure.table != table) continue;
    auto row = std::find_if(rows.begin(), rows.end(), [&](const PaperRow& r) {
      return r.dataset == figure.dataset && r.method == figure.method;
    });
    if (row == rows.end())
      row = rows.insert(rows.end(), {figure.dataset, figure.method,
                                     std::vector(columns.size(), std::numeric_limits<double>::quiet_NaN())});
    const auto column = std::find(columns.begin(), columns.end(), figure.metric) - columns.begin();
    row->values[static_cast<std::size_t>(column)] = figure.value;
  }
  return rows;
}

}  // namespace digfusion::tools
