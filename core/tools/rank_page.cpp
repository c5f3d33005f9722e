// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/rank_page.h"

#include <cmath>

#include "core/tools/console.h"
#include "core/tools/machine.h"
#include "core/tools/reproduce_report.h"
#include "core/tools/table.h"

namespace digfusion::tools {
namespace {

int decimals_of(const std::string& column) {
  return column == "MSE" ? 0 : column == "PSNR" || column == "SD" || column == "EI" || column == "SF" ? 2 : 3;
}

const char* kind_text(RankRow::Kind kind) {
  switch (kind) {
    case RankRow::Kind::ours:
      return "ours";
    case RankRow::Kind::baseline:
      return "baseline";
    case RankRow::Kind::published:
      break;
  }
  return "published";
}

/// Columns that not every row has.
struct Extra {
  const char* name;
  std::optional<double> RankRow::*value;
};
constexpr Extra extras[] = {{"hot target", &RankRow::hot_target},
                            {"PSNR to clean", &RankRow::clean_psnr},
                            {"SSIM to clean", &RankRow::clean_ssim}};

bool has(const RankTable& table, const Extra& extra) {
  for (const RankRow& row : table.rows)
    if (row.*extra.value) return true;
  return false;
}

TableRow head_of(const RankTable& table, const TableRow& first) {
  TableRow head = first;
  for (const metrics::Column& column : metrics::columns) head.emplace_back(column.name);
  for (const Extra& extra : extras)
    if (has(table, extra)) head.emplace_back(extra.name);
  return head;
}

std::string rank_csv(const std::vector<RankTable>& tables) {
  std::vector<TableRow> rows = {head_of(tables.front(), {"part", "pairs", "kind", "method", "rank"})};
  for (const RankTable& table : tables)
    for (const RankRow& row : table.rows) {
      TableRow cells = {part_text(table.part), std::to_string(table.pairs), kind_text(row.kind), row.method,
                        number_text(row.rank, 6)};
      for (const metrics::Column& column : metrics::columns)
        cells.push_back(number_text(row.figures.*column.value, 6));
      for (const Extra& extra : extras)
        if (has(tables.front(), extra))
          cells.push_back(row.*extra.value ? number_text(*(row.*extra.value), 6) : "");
      rows.push_back(std::move(cells));
    }
  return csv_table(rows);
}

Plot to_plot(const RankTable& table, const Dataset& data) {
  Panel ranks{.title = "mean rank over 13 figures (small is good)", .x_label = "", .y_label = ""};
  ranks.decimals = 2;
  Panel hot{.title = "hot-target contrast", .x_label = "", .y_label = ""};
  hot.decimals = 2;
  for (const RankRow& row : table.rows) {
    ranks.bars.push_back({row.method, row.rank, static_cast<int>(row.kind)});
    if (row.hot_target) hot.bars.push_back({row.method, *row.hot_target, static_cast<int>(row.kind)});
  }
  Plot plot{"Rank on " + data.name + ", " + part_text(table.part), {ranks}, 2};
  if (!hot.bars.empty()) plot.panels.push_back(hot);
  return plot;
}

std::string noise_text(const SourceNoise& noise) {
  std::string text = "white noise of " + number_text(noise.visible, 1) + " (visible) and " +
                     number_text(noise.infrared, 1) + " (infrared) of 255";
  if (noise.column > 0) text += ", column noise of " + number_text(noise.column, 1) + " (infrared)";
  return text;
}

}  // namespace

std::string part_text(Part part) {
  switch (part) {
    case Part::tuned:
      return "every third pair";
    case Part::unseen:
      return "the other two thirds";
    case Part::all:
      break;
  }
  return "all pairs";
}

std::string rank_markdown(const RankTable& table) {
  std::vector<TableRow> rows = {head_of(table, {"method", "rank"})};
  for (const RankRow& row : table.rows) {
    TableRow cells = {row.kind == RankRow::Kind::ours ? "**" + row.method + "**" : row.method,
                      number_text(row.rank, 2)};
    for (const metrics::Column& column : metrics::columns)
      cells.push_back(number_text(row.figures.*column.value, decimals_of(column.name)));
    for (const Extra& extra : extras)
      if (has(table, extra)) cells.push_back(row.*extra.value ? number_text(*(row.*extra.value), 3) : "-");
    rows.push_back(std::move(cells));
  }
  return markdown_table(rows);
}

void write_rank_pages(const RankOptions& options, const Dataset& data, const std::string& computed_on,
                      const std::vector<RankTable>& tables) {
  const Machine machine = this_machine();
  std::string page =
      "# Rank on " + data.name + "\n\nMade by `digfusion rank` on " + machine.processor + ", " +
      std::to_string(machine.cores) + " cores, computed on " + computed_on +
      ". Means over the pairs. The rank is the mean place over 13 figures (all but PSNR); ours "
      "are ranked one by one among the others.\n";
  if (options.noise)
    page += "\nThe sources had " + noise_text(*options.noise) +
            "; the figures are against the clean sources, the last columns against the method's own result "
            "from them.\n";
  for (const RankTable& table : tables)
    page +=
        "\n## " + part_text(table.part) + ": " + std::to_string(table.pairs) + "\n\n" + rank_markdown(table);
  page += "\n## Ours\n\n";
  for (const RankMethod& method : options.methods)
    page += "- " + method.name + ": " + (method.denoise_first ? "non-local means, then " : "") +
            settings_cell(method.parameters) + "\n";
  write_report(options.output, "rank.md", page + "\n![ranks](rank.png)\n");
  write_report(options.output, "rank.csv", rank_csv(tables));
  draw(to_plot(tables.front(), data), options.output, "rank.png");
}

}  // namespace digfusion::tools
