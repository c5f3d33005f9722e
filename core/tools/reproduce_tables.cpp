// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/reproduce_tables.h"

#include <limits>
#include <stdexcept>

#include "core/interface/stages.h"
#include "core/metrics/baselines.h"
#include "core/tools/console.h"
#include "core/tools/luma_fuser.h"
#include "core/tools/output_file.h"
#include "core/tools/reproduce_methods.h"
#include "core/tools/reproduce_record.h"
#include "core/tools/reproduce_tables_page.h"

namespace fs = std::filesystem;

namespace digfusion::tools {
namespace {

constexpr int table_of_times = 5;

/// What the figures depend on besides the pictures' names.
std::string fingerprint(const Parameters& parameters, const ReproduceOptions& options,
                        const PictureSet& pair) {
  std::string text = settings_text(parameters) + " size=" + std::to_string(options.size);
  std::error_code error;
  std::vector<fs::path> files = pair.files;
  if (!parameters.model.empty()) files.emplace_back(parameters.model.view());
  for (const fs::path& file : files)
    text += " " + file.filename().string() + ":" + std::to_string(fs::file_size(file, error)) + ":" +
            std::to_string(fs::last_write_time(file, error).time_since_epoch().count());
  return text + (options.lpips ? " LPIPS" : "");
}

/// Fuses and scores all pairs of one table.
class Experiment {
 public:
  Experiment(int table, const ReproduceOptions& options)
      : options_(options),
        results_{table,
                 find_datasets(options.data, table_tasks(table), options.limit),
                 {},
                 "nothing now: all is from the record of an earlier run"},
        record_(options.output / (results_.name() + ".json"), table != table_of_times) {}

  const TableResults& run() {
    std::size_t pairs = 0;
    for (const Dataset& dataset : results_.datasets) pairs += dataset.pairs.size();
    Progress progress("pairs", pairs, !options_.quiet);
    std::size_t done = 0;
    for (const Dataset& dataset : results_.datasets) {
      std::vector<LumaFuser> fusers;
      for (const TableMethod& method : table_methods(results_.table, options_.parameters, dataset.task))
        fusers.emplace_back(method.name, method.parameters);
      for (const PictureSet& pair : dataset.pairs) {
        run_pair(dataset, pair, fusers);
        progress.show(++done);
      }
    }
    return results_;
  }

 private:
  void run_pair(const Dataset& dataset, const PictureSet& pair, std::vector<LumaFuser>& fusers) {
    const std::vector<cv::Mat> lumas = read_pair(pair, options_.size);
    try {
      // The first picture of all warms the network up, so that no method's time has that in it.
      if (results_.table == table_of_times && results_.entries.empty()) fusers.front().fuse(lumas);
      for (LumaFuser& fuser : fusers) results_.entries.push_back(fused_entry(dataset, pair, lumas, fuser));
      for (const metrics::Baseline& baseline : metrics::baselines) {
        const cv::Mat fused = baseline.fuse(lumas[0], lumas[1]);
        TableEntry& entry =
            results_.entries.emplace_back(scored_entry(dataset, pair, lumas, baseline.name, fused));
        entry.seconds = entry.evaluations = std::numeric_limits<double>::quiet_NaN();
      }
    } catch (const std::invalid_argument& error) {
      throw std::runtime_error("can't score \"" + pair.stem + "\": " + error.what());
    }
  }

  TableEntry fused_entry(const Dataset& dataset, const PictureSet& pair, const std::vector<cv::Mat>& lumas,
                         LumaFuser& fuser) {
    const std::string& method = fuser.name();
    const std::string key = dataset.name + "/" + method + "/" + pair.stem;
    const std::string settings = fingerprint(fuser.parameters(), options_, pair);
    if (const auto known = record_.find(key, settings)) return *known;
    fuser.load();  // not in the time
    Stopwatch watch;
    const cv::Mat fused = fuser.fuse(lumas);
    const double seconds = watch.lap() / 1e3;
    const fs::path folder = options_.output / "pictures" / dataset.name / folder_name(method);
    make_output_folder(folder);
    write_picture(folder / (pair.stem + ".png"), fused);
    TableEntry entry = scored_entry(dataset, pair, lumas, method, luma(fused));
    entry.seconds = seconds;
    entry.evaluations = static_cast<double>(fuser.statistics().evaluations);
    results_.computed_on = fuser.computed_on();
    record_.add(key, settings, entry);
    return entry;
  }

  TableEntry scored_entry(const Dataset& dataset, const PictureSet& pair, const std::vector<cv::Mat>& lumas,
                          const std::string& method, const cv::Mat& fused) const {
    TableEntry entry{dataset.name, score_luma(fused, lumas[0], lumas[1], options_.lpips)};
    entry.score.method = method;
    entry.score.picture = pair.stem;
    return entry;
  }

  const ReproduceOptions& options_;
  TableResults results_;
  Record record_;
};

}  // namespace

void reproduce_table(int table, const ReproduceOptions& options) {
  make_output_folder(options.output);
  Experiment experiment(table, options);
  write_table_pages(experiment.run(), options);
}

}  // namespace digfusion::tools
