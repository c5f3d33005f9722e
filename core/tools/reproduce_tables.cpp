// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/reproduce_tables.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <numbers>
#include <stdexcept>

#include "core/interface/stages.h"
#include "core/metrics/baselines.h"
#include "core/tools/console.h"
#include "core/tools/luma_fuser.h"
#include "core/tools/output_file.h"
#include "core/tools/paper_tables.h"
#include "core/tools/parameter_options.h"
#include "core/tools/reproduce_record.h"
#include "core/tools/reproduce_statistics.h"
#include "core/tools/table.h"

namespace fs = std::filesystem;

namespace digfusion::tools {
namespace {

constexpr double nothing = std::numeric_limits<double>::quiet_NaN();
constexpr int ddfm_steps = 100;  // as its paper samples

Parameters with(Parameters parameters, const char* settings) { return parse_settings(parameters, settings); }

Parameters em(Parameters parameters, int steps) {
  parameters.guidance = Guidance::em;
  parameters.steps = steps;
  return parameters;
}

std::string dig_name(const Parameters& parameters) { return "DIG-" + std::to_string(parameters.steps); }

/// A method that is ready to fuse; its model is read when it is first needed.
class Runner {
 public:
  explicit Runner(TableMethod method)
      : method_(std::move(method)), fuser_(method_.name, method_.parameters) {}

  const TableMethod& method() const { return method_; }
  Statistics statistics() const { return fuser_.statistics(); }

  cv::Mat fuse(const std::vector<cv::Mat>& lumas, TableEntry& entry) {
    fuser_.load();
    Stopwatch watch;
    const cv::Mat fused = fuser_.fuse(lumas);
    entry.seconds = watch.lap() / 1e3;
    entry.evaluations = static_cast<double>(fuser_.statistics().evaluations);
    return fused;
  }

 private:
  TableMethod method_;
  LumaFuser fuser_;
};

void add_figures(ScoreRow& row, const cv::Mat& fused, const std::vector<cv::Mat>& lumas,
                 const PerceptualDistance& lpips) {
  row.figures = metrics::measure(fused, lumas[0], lumas[1]);
  if (lpips) row.lpips = (lpips(lumas[0], fused) + lpips(lumas[1], fused)) / 2;
}

/// What the figures depend on besides the pictures' names.
std::string fingerprint(const TableMethod& method, const ReproduceOptions& options, const PictureSet& pair) {
  std::string text = settings_text(method.parameters) + " size=" + std::to_string(options.size);
  std::error_code error;
  std::vector<fs::path> files = pair.files;
  if (!method.parameters.model.empty()) files.emplace_back(method.parameters.model.view());
  for (const fs::path& file : files)
    text += " " + file.filename().string() + ":" + std::to_string(fs::file_size(file, error)) + ":" +
            std::to_string(fs::last_write_time(file, error).time_since_epoch().count());
  return text + (options.lpips ? " LPIPS" : "");
}

/// All that is measured for one table.
class Experiment {
 public:
  Experiment(int table, const ReproduceOptions& options)
      : table_(table),
        options_(options),
        datasets_(find_datasets(options.data, table_tasks(table), options.limit)),
        record_(options.output / (name() + ".json"), table != 5) {}

  std::string name() const { return "table" + std::to_string(table_); }
  const std::vector<Dataset>& datasets() const { return datasets_; }
  const std::vector<TableEntry>& entries() const { return entries_; }
  const std::string& device() const { return device_; }
  const std::string& precision() const { return precision_; }

  void run() {
    std::size_t pairs = 0;
    for (const Dataset& dataset : datasets_) pairs += dataset.pairs.size();
    Progress progress("pairs", pairs, !options_.quiet);
    std::size_t done = 0;
    for (const Dataset& dataset : datasets_) {
      std::vector<Runner> runners;
      for (TableMethod& method : table_methods(table_, options_.parameters, dataset.task))
        runners.emplace_back(std::move(method));
      for (const PictureSet& pair : dataset.pairs) {
        run_pair(dataset, pair, runners);
        progress.show(++done);
      }
    }
  }

 private:
  void run_pair(const Dataset& dataset, const PictureSet& pair, std::vector<Runner>& runners) {
    const std::vector<cv::Mat> lumas = read_pair(pair, options_.size);
    try {
      // The first picture of all warms the network up, so that no method's time has that in it.
      if (table_ == 5 && entries_.empty()) {
        TableEntry ignored;
        runners.front().fuse(lumas, ignored);
      }
      for (Runner& runner : runners) entries_.push_back(fused_entry(dataset, pair, lumas, runner));
      for (const metrics::Baseline& baseline : metrics::baselines) {
        TableEntry& entry = entries_.emplace_back();
        entry = {dataset.name, {baseline.name, pair.stem, {}}, nothing, nothing};
        add_figures(entry.score, baseline.fuse(lumas[0], lumas[1]), lumas, options_.lpips);
      }
    } catch (const std::invalid_argument& error) {
      throw std::runtime_error("can't score \"" + pair.stem + "\": " + error.what());
    }
  }

  TableEntry fused_entry(const Dataset& dataset, const PictureSet& pair, const std::vector<cv::Mat>& lumas,
                         Runner& runner) {
    const std::string& method = runner.method().name;
    const std::string key = dataset.name + "/" + method + "/" + pair.stem;
    const std::string settings = fingerprint(runner.method(), options_, pair);
    if (const auto known = record_.find(key, settings)) return *known;
    TableEntry entry{dataset.name, {method, pair.stem, {}}};
    const cv::Mat fused = runner.fuse(lumas, entry);
    device_ = runner.statistics().device;
    precision_ = runner.statistics().precision;
    const fs::path folder = options_.output / "pictures" / dataset.name / folder_name(method);
    make_output_folder(folder);
    write_picture(folder / (pair.stem + ".png"), fused);
    add_figures(entry.score, luma(fused), lumas, options_.lpips);
    record_.add(key, settings, entry);
    return entry;
  }

  int table_;
  const ReproduceOptions& options_;
  std::vector<Dataset> datasets_;
  Record record_;
  std::vector<TableEntry> entries_;
  std::string device_ = "(taken from the record of an earlier run)", precision_ = "its precision";
};

/// The methods' means over a data set's pairs, in the order of the methods, baselines last.
std::vector<TableEntry> means_of(const std::vector<TableEntry>& entries, const std::string& dataset) {
  std::vector<std::string> methods;
  for (const TableEntry& entry : entries)
    if (entry.dataset == dataset &&
        std::find(methods.begin(), methods.end(), entry.score.method) == methods.end())
      methods.push_back(entry.score.method);
  std::vector<TableEntry> means;
  for (const std::string& method : methods) {
    std::vector<ScoreRow> rows;
    TableEntry mean{dataset, {}};
    for (const TableEntry& entry : entries) {
      if (entry.dataset != dataset || entry.score.method != method) continue;
      rows.push_back(entry.score);
      mean.seconds += entry.seconds;
      mean.evaluations += entry.evaluations;
    }
    mean.seconds /= static_cast<double>(rows.size());
    mean.evaluations /= static_cast<double>(rows.size());
    mean.score = mean_row(method, rows);
    means.push_back(std::move(mean));
  }
  return means;
}

std::vector<double> ranks_of(const std::vector<TableEntry>& means) {
  std::vector<metrics::Figures> figures;
  for (const TableEntry& mean : means) figures.push_back(mean.score.figures);
  return figure_ranks(figures);
}

int decimals_of(const std::string& column) {
  if (column == "MSE") return 0;
  if (column == "PSNR" || column == "SD" || column == "EI" || column == "SF" || column == "seconds") return 2;
  return 3;
}

std::string cell(double value, const std::string& column) {
  return std::isnan(value) ? "-" : number_text(value, decimals_of(column));
}

/// The paper's data sets that ours is to be seen beside: the one of its name, or of its kind, or all.
bool is_beside(const Dataset& ours, int table, const std::string& papers) {
  const auto equals = [](const std::string& a, const std::string& b) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(),
                      [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
  };
  if (ours.task == Task::focus) return papers == "MFFW";
  if (ours.task == Task::exposure) return papers == "MEFB";
  for (const PaperFigure& figure : paper_figures())
    if (figure.table == table && equals(figure.dataset, ours.name)) return equals(papers, ours.name);
  return true;
}

struct PaperRow {
  std::string dataset, method;
  std::vector<double> values;  ///< one for each column
};

std::vector<PaperRow> paper_rows(int table, const Dataset& beside) {
  const std::vector<std::string> columns = paper_columns(table);
  std::vector<PaperRow> rows;
  for (const PaperFigure& figure : paper_figures()) {
    if (figure.table != table || !is_beside(beside, table, figure.dataset)) continue;
    auto row = std::find_if(rows.begin(), rows.end(), [&](const PaperRow& r) {
      return r.dataset == figure.dataset && r.method == figure.method;
    });
    if (row == rows.end())
      row = rows.insert(rows.end(), {figure.dataset, figure.method, std::vector(columns.size(), nothing)});
    const auto column = std::find(columns.begin(), columns.end(), figure.metric) - columns.begin();
    row->values[static_cast<std::size_t>(column)] = figure.value;
  }
  return rows;
}

bool has_times(int table) { return table == 5; }

/// Seconds over DIG-25's, in one table.
double ratio(double seconds, double of_dig25) { return seconds / of_dig25; }

std::string dataset_table(int table, const Dataset& dataset, const std::vector<TableEntry>& means) {
  const std::vector<std::string> columns = paper_columns(table);
  TableRow head = {"method", "data"};
  head.insert(head.end(), columns.begin(), columns.end());
  if (has_times(table)) head.emplace_back("time over DIG-25's");
  if (!has_times(table)) head.emplace_back("seconds");
  head.emplace_back("evaluations");
  head.emplace_back("mean rank");
  std::vector<TableRow> rows = {head};

  const std::vector<double> ranks = ranks_of(means);
  double dig25 = nothing;
  for (const TableEntry& mean : means)
    if (mean.score.method == "DIG-25") dig25 = mean.seconds;
  for (std::size_t i = 0; i < means.size(); ++i) {
    TableRow row = {means[i].score.method, dataset.name};
    for (const std::string& column : columns) row.push_back(cell(paper_figure(means[i], column), column));
    row.push_back(has_times(table) ? cell(ratio(means[i].seconds, dig25), "PSNR")
                                   : cell(means[i].seconds, "seconds"));
    row.push_back(std::isnan(means[i].evaluations) ? "-" : number_text(means[i].evaluations, 0));
    row.push_back(number_text(ranks[i], 1));
    rows.push_back(std::move(row));
  }

  const std::vector<PaperRow> papers = paper_rows(table, dataset);
  const auto seconds_column = std::find(columns.begin(), columns.end(), "seconds") - columns.begin();
  double papers_dig25 = nothing;
  for (const PaperRow& paper : papers)
    if (paper.method == "DIG-25") papers_dig25 = paper.values[static_cast<std::size_t>(seconds_column)];
  for (const PaperRow& paper : papers) {
    TableRow row = {"paper: " + paper.method, paper.dataset};
    for (std::size_t c = 0; c < columns.size(); ++c) row.push_back(cell(paper.values[c], columns[c]));
    row.push_back(
        has_times(table)
            ? cell(ratio(paper.values[static_cast<std::size_t>(seconds_column)], papers_dig25), "PSNR")
            : "-");
    row.insert(row.end(), 2, "-");
    rows.push_back(std::move(row));
  }
  return markdown_table(rows);
}

std::string means_csv(int table, const Experiment& experiment) {
  const std::vector<std::string> columns = paper_columns(table);
  TableRow head = {"source", "dataset", "method", "pairs"};
  for (const metrics::Column& column : metrics::columns) head.emplace_back(column.name);
  for (const char* name : {"PSNR sum", "MI bits", "LPIPS", "seconds", "evaluations", "mean rank"})
    head.emplace_back(name);
  std::vector<TableRow> rows = {head};
  const auto text = [](double value) { return std::isnan(value) ? std::string() : number_text(value, 6); };
  for (const Dataset& dataset : experiment.datasets()) {
    const std::vector<TableEntry> means = means_of(experiment.entries(), dataset.name);
    const std::vector<double> ranks = ranks_of(means);
    for (std::size_t i = 0; i < means.size(); ++i) {
      const TableEntry& mean = means[i];
      TableRow row = {std::isnan(mean.seconds) ? "baseline" : "ours", dataset.name, mean.score.method,
                      std::to_string(dataset.pairs.size())};
      for (const metrics::Column& column : metrics::columns)
        row.push_back(text(mean.score.figures.*column.value));
      for (const double value : {mean.score.figures.psnr_sum, paper_figure(mean, "MI"),
                                 paper_figure(mean, "LPIPS"), mean.seconds, mean.evaluations, ranks[i]})
        row.push_back(text(value));
      rows.push_back(std::move(row));
    }
  }
  // The paper's rows: its PSNR and MI stand where ours of the same meaning do.
  std::vector<std::pair<std::string, std::string>> done;
  for (const Dataset& dataset : experiment.datasets())
    for (const PaperRow& paper : paper_rows(table, dataset)) {
      if (std::find(done.begin(), done.end(), std::pair(paper.dataset, paper.method)) != done.end()) continue;
      done.emplace_back(paper.dataset, paper.method);
      TableRow row(head.size());
      row[0] = "paper";
      row[1] = paper.dataset;
      row[2] = paper.method;
      for (std::size_t c = 0; c < columns.size(); ++c) {
        const std::string name = columns[c] == "PSNR" ? "PSNR sum"
                                 : columns[c] == "MI" ? "MI bits"
                                                      : columns[c];
        row[static_cast<std::size_t>(std::find(head.begin(), head.end(), name) - head.begin())] =
            text(paper.values[c]);
      }
      rows.push_back(std::move(row));
    }
  return csv_table(rows);
}

Plot to_plot(int table, const Dataset& dataset, const std::vector<TableEntry>& means) {
  const std::vector<std::string> columns = paper_columns(table);
  const std::vector<PaperRow> papers = paper_rows(table, dataset);
  enum { ours, papers_own, paper, baseline };  // colours
  Plot plot{"Table " + std::to_string(table) + " on " + dataset.name + ", beside the paper's figures", {}, 3};
  for (std::size_t c = 0; c < columns.size(); ++c) {
    Panel panel{.title = columns[c], .x_label = "", .y_label = ""};
    panel.decimals = decimals_of(columns[c]);
    for (const TableEntry& mean : means)
      panel.bars.push_back(
          {mean.score.method, paper_figure(mean, columns[c]), std::isnan(mean.seconds) ? baseline : ours});
    for (const PaperRow& row : papers) {
      const bool own =
          row.method.starts_with("D") && (row.method == "Dig2DIG" || row.method.starts_with("DIG-"));
      panel.bars.push_back({"paper " + row.dataset + ": " + row.method, row.values[c],
                            own || table == 3 || table == 4 ? papers_own : paper});
    }
    plot.panels.push_back(std::move(panel));
  }
  return plot;
}

void write_page(int table, const Experiment& experiment, const ReproduceOptions& options) {
  constexpr const char* titles[] = {"",
                                    "visible and infrared",
                                    "multi-focus and multi-exposure",
                                    "distance of the information gain",
                                    "interval S of the information gain",
                                    "run time"};
  std::string page = report_head("Table " + std::to_string(table) + ": " + titles[table], options,
                                 experiment.device(), experiment.precision());
  page +=
      "Lumas are fused and scored, means over the pairs. PSNR is PSNR(a,f) + PSNR(b,f), which the paper's "
      "figures fit; SSIM "
      "is the sum over both\nsources, MI in bits, LPIPS the mean over both sources. The mean rank is over EN "
      "SD SF AG EI MI MSE "
      "CC SCD SSIM VIFF Qabf Nabf, among our rows of\nthe same table. The paper's figures (arXiv 2503.18627) "
      "come from other "
      "pictures and another denoiser.\n";
  if (!options.lpips) page += "LPIPS is missing: no weights were given (--lpips).\n";
  for (const Dataset& dataset : experiment.datasets()) {
    const std::vector<TableEntry> means = means_of(experiment.entries(), dataset.name);
    const std::string png = experiment.name() + "_" + dataset.name + ".png";
    page += "\n## " + dataset.name + ", " + std::to_string(dataset.pairs.size()) +
            (dataset.pairs.size() == 1 ? " pair" : " pairs") + "\n\n" + dataset_table(table, dataset, means) +
            "\n![bars](" + png + ")\n";
    draw(to_plot(table, dataset, means), options.output, png);
  }
  page += "\n## Our rows\n\n";
  for (const Task task : table_tasks(table))
    for (const Dataset& dataset : experiment.datasets())
      if (dataset.task == task) {
        for (const TableMethod& method : table_methods(table, options.parameters, task))
          page += "- " + method.name + " (" + dataset.name + "): " + settings_cell(method.parameters) + "\n";
        break;
      }
  write_report(options.output, experiment.name() + ".md", page);
}

}  // namespace

std::vector<Task> table_tasks(int table) {
  if (table == 2) return {Task::focus, Task::exposure};
  return {Task::visible_infrared};
}

std::vector<TableMethod> table_methods(int table, const Parameters& p, Task task) {
  const auto steps_and = [&](int steps) {
    Parameters changed = p;
    changed.steps = steps;
    return TableMethod{dig_name(changed), changed};
  };
  const std::string em_100 = "EM-" + std::to_string(ddfm_steps) + " (DDFM)";
  switch (table) {
    case 1:
    case 2: {
      Parameters smoothed = p;
      const Parameters defaults;
      smoothed.temperature = defaults.temperature;
      smoothed.draws = defaults.draws;
      smoothed.smoothing = defaults.smoothing;
      Parameters own = parameters_of(task);  // what needs no sampling
      own.device = p.device;
      own.precision = p.precision;
      own.threads = p.threads;
      own.student = p.student;
      const std::string own_name = std::string(name_of("method", static_cast<int>(own.method))) +
                                   (task == Task::focus      ? ", task focus"
                                    : task == Task::exposure ? ", task exposure"
                                                             : "");
      return {{dig_name(p), p},
              {dig_name(p) + ", smoothed", smoothed},
              {"w = 1/K", with(p, "distance=none")},
              {em_100, em(p, ddfm_steps)},
              {own_name, own}};
    }
    case 3:
      return {{"distance=l2", with(p, "distance=l2")},
              {"distance=l1", with(p, "distance=l1")},
              {"distance=ssim", with(p, "distance=ssim")},
              {"none: w = 1/K", with(p, "distance=none")},
              {"none: EM (DDFM)", em(p, p.steps)}};
    case 4:
      return {{"S=1", with(p, "interval=1")},
              {"S=5", with(p, "interval=5")},
              {"S=10", with(p, "interval=10")},
              {"S=20", with(p, "interval=20")}};
    default:
      return {steps_and(15), steps_and(20), steps_and(25), steps_and(50), {em_100, em(p, ddfm_steps)}};
  }
}

double paper_figure(const TableEntry& entry, const std::string& column) {
  const metrics::Figures& figures = entry.score.figures;
  if (column == "PSNR") return figures.psnr_sum;
  if (column == "MI") return figures.mi * std::numbers::log2e;
  if (column == "LPIPS") return entry.score.lpips.value_or(nothing);
  if (column == "seconds") return entry.seconds;
  for (const metrics::Column& known : metrics::columns)
    if (column == known.name) return figures.*known.value;
  return nothing;
}

void reproduce_table(int table, const ReproduceOptions& options) {
  make_output_folder(options.output);
  Experiment experiment(table, options);
  experiment.run();
  std::vector<ScoreRow> rows;
  for (const TableEntry& entry : experiment.entries()) {
    rows.push_back(entry.score);
    rows.back().picture = entry.dataset + "/" + entry.score.picture;
  }
  write_report(options.output, experiment.name() + "_pictures.csv", to_csv(rows));
  write_report(options.output, experiment.name() + ".csv", means_csv(table, experiment));
  write_page(table, experiment, options);
}

}  // namespace digfusion::tools
