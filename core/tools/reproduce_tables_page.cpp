// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/reproduce_tables_page.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <iterator>
#include <limits>
#include <set>

#include "core/tools/console.h"
#include "core/tools/paper_tables.h"
#include "core/tools/reproduce_methods.h"
#include "core/tools/table.h"

namespace digfusion::tools {
namespace {

constexpr double nothing = std::numeric_limits<double>::quiet_NaN();

int decimals_of(const std::string& column) {
  if (column == "MSE") return 0;
  if (column == "PSNR" || column == "SD" || column == "EI" || column == "SF" || column == "seconds") return 2;
  return 3;
}

std::string cell(double value, int decimals) {
  return std::isnan(value) ? "-" : number_text(value, decimals);
}

/// By their ratio to DIG-25's; in the other tables they stand for information alone.
bool compares_times(int table) { return table == 5; }

std::string picture_name(const TableResults& results, const Dataset& dataset) {
  return results.name() + "_" + dataset.name + ".png";
}

// --- the columns of all metrics

std::string pictures_csv(const TableResults& results) {
  std::vector<ScoreRow> rows;
  for (const TableEntry& entry : results.entries) {
    rows.push_back(entry.score);
    rows.back().picture = entry.dataset + "/" + entry.score.picture;
  }
  return to_csv(rows);
}

std::string csv_cell(double value) { return std::isnan(value) ? std::string() : number_text(value, 6); }

TableRow means_head() {
  TableRow head = {"source", "dataset", "method", "pairs"};
  for (const metrics::Column& column : metrics::columns) head.emplace_back(column.name);
  for (const char* name : {"PSNR sum", "MI bits", "LPIPS", "seconds", "evaluations", "mean rank"})
    head.emplace_back(name);
  return head;
}

TableRow means_row(const TableEntry& mean, double rank, std::size_t pairs) {
  TableRow row = {is_baseline(mean) ? "baseline" : "ours", mean.dataset, mean.score.method,
                  std::to_string(pairs)};
  for (const metrics::Column& column : metrics::columns)
    row.push_back(csv_cell(mean.score.figures.*column.value));
  for (const double value : {paper_figure(mean, "PSNR"), paper_figure(mean, "MI"),
                             paper_figure(mean, "LPIPS"), mean.seconds, mean.evaluations, rank})
    row.push_back(csv_cell(value));
  return row;
}

/// The paper's PSNR and MI stand where ours of the same meaning do.
TableRow means_row(const PaperRow& paper, const std::vector<std::string>& columns, const TableRow& head) {
  TableRow row(head.size());
  row[0] = "paper";
  row[1] = paper.dataset;
  row[2] = paper.method;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const std::string name = columns[c] == "PSNR" ? "PSNR sum" : columns[c] == "MI" ? "MI bits" : columns[c];
    row[static_cast<std::size_t>(std::find(head.begin(), head.end(), name) - head.begin())] =
        csv_cell(paper.values[c]);
  }
  return row;
}

/// The paper's data sets that ours is to be seen beside: the one of its name, or of its kind, or all.
std::vector<PaperRow> rows_beside(const Dataset& ours, int table) {
  std::vector<PaperRow> rows = paper_rows(table);
  const auto keep = [&](const auto& wanted) {
    std::erase_if(rows, [&](const PaperRow& row) { return !wanted(row); });
  };
  const auto has_our_name = [&](const PaperRow& row) {
    return std::equal(row.dataset.begin(), row.dataset.end(), ours.name.begin(), ours.name.end(),
                      [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
  };
  if (ours.task == Task::focus)
    keep([](const PaperRow& row) { return row.dataset == "MFFW"; });
  else if (ours.task == Task::exposure)
    keep([](const PaperRow& row) { return row.dataset == "MEFB"; });
  else if (std::any_of(rows.begin(), rows.end(), has_our_name))
    keep(has_our_name);
  return rows;
}

std::string means_csv(const TableResults& results) {
  const std::vector<std::string> columns = paper_columns(results.table);
  std::vector<TableRow> rows = {means_head()};
  for (const Dataset& dataset : results.datasets) {
    const std::vector<TableEntry> means = means_of(results, dataset.name);
    const std::vector<double> ranks = ranks_of(means);
    for (std::size_t i = 0; i < means.size(); ++i)
      rows.push_back(means_row(means[i], ranks[i], dataset.pairs.size()));
  }
  std::set<std::pair<std::string, std::string>> done;
  for (const Dataset& dataset : results.datasets)
    for (const PaperRow& paper : rows_beside(dataset, results.table))
      if (done.emplace(paper.dataset, paper.method).second)
        rows.push_back(means_row(paper, columns, rows.front()));
  return csv_table(rows);
}

// --- the paper's columns

/// Beside the figures: DIG-25's seconds in the same table are 1 where times are compared.
std::vector<TableRow> our_cells(const std::vector<TableEntry>& means, const std::vector<std::string>& columns,
                                bool times) {
  double one = times ? nothing : 1;
  for (const TableEntry& mean : means)
    if (times && mean.score.method == "DIG-25") one = mean.seconds;
  const std::vector<double> ranks = ranks_of(means);
  std::vector<TableRow> rows;
  for (std::size_t i = 0; i < means.size(); ++i) {
    const TableEntry& mean = means[i];
    TableRow& row = rows.emplace_back(TableRow{mean.score.method, mean.dataset});
    for (const std::string& column : columns)
      row.push_back(cell(paper_figure(mean, column), decimals_of(column)));
    row.insert(row.end(), {cell(mean.seconds / one, 2), cell(mean.evaluations, 0), cell(ranks[i], 1)});
  }
  return rows;
}

std::vector<TableRow> paper_cells(const std::vector<PaperRow>& papers,
                                  const std::vector<std::string>& columns) {
  const auto seconds_column =
      static_cast<std::size_t>(std::find(columns.begin(), columns.end(), "seconds") - columns.begin());
  const auto seconds = [&](const PaperRow& row) {
    return seconds_column < columns.size() ? row.values[seconds_column] : nothing;
  };
  double one = nothing;
  for (const PaperRow& paper : papers)
    if (paper.method == "DIG-25") one = seconds(paper);
  std::vector<TableRow> rows;
  for (const PaperRow& paper : papers) {
    TableRow& row = rows.emplace_back(TableRow{"paper: " + paper.method, paper.dataset});
    for (std::size_t c = 0; c < columns.size(); ++c)
      row.push_back(cell(paper.values[c], decimals_of(columns[c])));
    row.insert(row.end(), {cell(seconds(paper) / one, 2), "-", "-"});
  }
  return rows;
}

std::string dataset_table(const TableResults& results, const Dataset& dataset,
                          const std::vector<TableEntry>& means) {
  const std::vector<std::string> columns = paper_columns(results.table);
  const bool times = compares_times(results.table);
  std::vector<TableRow> rows = {{"method", "data"}};
  rows[0].insert(rows[0].end(), columns.begin(), columns.end());
  for (const char* name : {times ? "time over DIG-25's" : "seconds", "evaluations", "mean rank"})
    rows[0].emplace_back(name);
  std::ranges::move(our_cells(means, columns, times), std::back_inserter(rows));
  std::ranges::move(paper_cells(rows_beside(dataset, results.table), columns), std::back_inserter(rows));
  return markdown_table(rows);
}

/// Whether a row of the paper is of its own method: in tables 3 and 4 all are.
bool is_papers_own(const PaperRow& row, int table) {
  return table == 3 || table == 4 || row.method == "Dig2DIG" || row.method.starts_with("DIG-");
}

Plot to_plot(const TableResults& results, const Dataset& dataset, const std::vector<TableEntry>& means) {
  const std::vector<std::string> columns = paper_columns(results.table);
  const std::vector<PaperRow> papers = rows_beside(dataset, results.table);
  enum { ours, papers_own, paper, baseline };  // colours
  Plot plot{"Table " + std::to_string(results.table) + " on " + dataset.name + ", beside the paper's figures",
            {},
            3};
  for (std::size_t c = 0; c < columns.size(); ++c) {
    Panel panel{.title = columns[c], .x_label = "", .y_label = ""};
    panel.decimals = decimals_of(columns[c]);
    for (const TableEntry& mean : means)
      panel.bars.push_back(
          {mean.score.method, paper_figure(mean, columns[c]), is_baseline(mean) ? baseline : ours});
    for (const PaperRow& row : papers)
      panel.bars.push_back({"paper " + row.dataset + ": " + row.method, row.values[c],
                            is_papers_own(row, results.table) ? papers_own : paper});
    plot.panels.push_back(std::move(panel));
  }
  return plot;
}

// --- the page

std::string introduction(const TableResults& results, const ReproduceOptions& options) {
  constexpr const char* titles[] = {"",
                                    "visible and infrared",
                                    "multi-focus and multi-exposure",
                                    "distance of the information gain",
                                    "interval S of the information gain",
                                    "run time"};
  std::string text = report_head("Table " + std::to_string(results.table) + ": " + titles[results.table],
                                 options, results.computed_on);
  text +=
      "Lumas are fused and scored, means over the pairs. PSNR is PSNR(a,f) + PSNR(b,f), which the paper's\n"
      "figures fit; SSIM is the sum over both sources, MI in bits, LPIPS the mean over both sources. The "
      "mean\n"
      "rank is over EN SD SF AG EI MI MSE CC SCD SSIM VIFF Qabf Nabf, among our rows of the same table. The\n"
      "paper's figures (arXiv 2503.18627) come from other pictures and another denoiser.\n";
  if (!options.lpips) text += "LPIPS is missing: no weights were given (--lpips).\n";
  return text;
}

std::string settings_list(const TableResults& results, const ReproduceOptions& options) {
  std::string text;
  std::set<Task> done;
  for (const Dataset& dataset : results.datasets)
    if (done.insert(dataset.task).second)
      for (const TableMethod& method : table_methods(results.table, options.parameters, dataset.task))
        text += "- " + method.name + " (" + dataset.name + "): " + settings_cell(method.parameters) + "\n";
  return text;
}

}  // namespace

void write_table_pages(const TableResults& results, const ReproduceOptions& options) {
  write_report(options.output, results.name() + "_pictures.csv", pictures_csv(results));
  write_report(options.output, results.name() + ".csv", means_csv(results));
  std::string page = introduction(results, options);
  for (const Dataset& dataset : results.datasets) {
    const std::vector<TableEntry> means = means_of(results, dataset.name);
    const std::size_t pairs = dataset.pairs.size();
    const std::string picture = picture_name(results, dataset);
    page += "\n## " + dataset.name + ", " + std::to_string(pairs) + (pairs == 1 ? " pair" : " pairs") +
            "\n\n" + dataset_table(results, dataset, means) + "\n![bars](" + picture + ")\n";
    draw(to_plot(results, dataset, means), options.output, picture);
  }
  page += "\n## Our rows\n\n" + settings_list(results, options);
  write_report(options.output, results.name() + ".md", page);
}

}  // namespace digfusion::tools
