// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/score.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "core/metrics/baselines.h"
#include "core/tools/console.h"
#include "core/tools/output_file.h"
#include "core/tools/pictures.h"
#include "core/tools/table.h"

namespace digfusion::tools {
namespace {

// OpenCV's own threads would compete with ours.
class SingleThreadedOpenCV {
 public:
  SingleThreadedOpenCV() : before_(cv::getNumThreads()) { cv::setNumThreads(1); }
  ~SingleThreadedOpenCV() { cv::setNumThreads(before_); }

 private:
  int before_;
};

// The figures of one picture set (visible, infrared, fused): of the fused picture, then of the baselines.
std::vector<ScoreRow> score_set(const PictureSet& set, const ScoreOptions& options) {
  std::array<cv::Mat, 3> lumas;
  for (std::size_t i = 0; i < lumas.size(); ++i) lumas[i] = luma(read_picture(set.files[i]));
  const auto& [visible, infrared, fused] = lumas;
  if (visible.size() != infrared.size() || visible.size() != fused.size())
    throw std::runtime_error("sizes of \"" + set.stem + "\" differ: visible " + size_text(visible) +
                             ", infrared " + size_text(infrared) + ", fused " + size_text(fused) + " (" +
                             set.files[2].string() + "); all three must be equal");
  std::vector<ScoreRow> rows;
  try {
    rows.push_back(score_luma(fused, visible, infrared, options.lpips));
    if (options.baselines)
      for (const metrics::Baseline& baseline : metrics::baselines)
        rows.push_back(score_luma(baseline.fuse(visible, infrared), visible, infrared, options.lpips));
  } catch (const std::invalid_argument& error) {
    throw std::runtime_error("can't score \"" + set.stem + "\": " + error.what());
  }
  return rows;
}

}  // namespace

ScoreRow score_luma(const cv::Mat& fused, const cv::Mat& a, const cv::Mat& b,
                    const PerceptualDistance& lpips) {
  ScoreRow row{{}, {}, metrics::measure(fused, a, b)};
  if (lpips) row.lpips = (lpips(a, fused) + lpips(b, fused)) / 2;
  return row;
}

ScoreRow mean_row(const std::string& method, std::span<const ScoreRow> rows) {
  ScoreRow mean{method, "mean", {}};
  const double count = static_cast<double>(rows.size());
  const auto average = [&](double metrics::Figures::*value) {
    for (const ScoreRow& row : rows) mean.figures.*value += row.figures.*value / count;
  };
  for (const metrics::Column& column : metrics::columns) average(column.value);
  average(&metrics::Figures::psnr_sum);
  for (const ScoreRow& row : rows)
    if (row.lpips) mean.lpips = mean.lpips.value_or(0) + *row.lpips / count;
  return mean;
}

std::vector<ScoreRow> score(const ScoreOptions& options, bool progress_wanted) {
  const std::array folders{options.visible, options.infrared, options.fused};
  const std::vector<PictureSet> sets = match_pictures(folders);
  std::vector<std::vector<ScoreRow>> scored_sets(sets.size());

  const SingleThreadedOpenCV single_threaded;
  Progress progress("pictures", sets.size(), progress_wanted);
  std::mutex mutex;  // guards progress, done and the error
  std::size_t done = 0, failed = sets.size();
  std::exception_ptr error;
  std::atomic<std::size_t> next{0};
  std::atomic<bool> stop{false};
  const auto work = [&] {
    for (std::size_t i; !stop && (i = next.fetch_add(1)) < sets.size();) {
      try {
        scored_sets[i] = score_set(sets[i], options);
        const std::lock_guard lock(mutex);
        progress.show(++done);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (i < failed) {
          failed = i;
          error = std::current_exception();
        }
        stop = true;
      }
    }
  };
  {
    const unsigned wanted =
        options.threads > 0 ? options.threads : std::max(std::thread::hardware_concurrency(), 1u);
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < std::min<std::size_t>(wanted, sets.size()); ++i) {
      try {
        helpers.emplace_back(work);
      } catch (const std::system_error&) {
        break;  // no more threads to be had: those there are do it all
      }
    }
    work();
  }
  if (error) std::rethrow_exception(error);

  std::vector<ScoreRow> rows;
  for (std::size_t method = 0; method < scored_sets.front().size(); ++method) {
    const std::string name = method == 0 ? "fused" : metrics::baselines[method - 1].name;
    const std::size_t begin = rows.size();
    for (std::size_t i = 0; i < sets.size(); ++i) {
      ScoreRow& row = rows.emplace_back(scored_sets[i][method]);
      row.method = name;
      row.picture = sets[i].stem;
    }
    rows.push_back(mean_row(name, std::span(rows).subspan(begin)));
  }
  return rows;
}

std::string to_csv(const std::vector<ScoreRow>& rows) {
  std::string text = "method,picture";
  for (const metrics::Column& column : metrics::columns) text += std::string(",") + column.name;
  const bool with_lpips = !rows.empty() && rows.front().lpips;
  text += with_lpips ? ",LPIPS\n" : "\n";
  for (const ScoreRow& row : rows) {
    text += csv_field(row.method) + "," + csv_field(row.picture);
    for (const metrics::Column& column : metrics::columns)
      text += "," + number_text(row.figures.*column.value, 6);
    if (with_lpips) text += "," + number_text(row.lpips.value(), 6);
    text += '\n';
  }
  return text;
}

int run_score(const ScoreOptions& options) {
  try {
    if (!options.csv.empty()) check_output(options.csv);
    const std::string text = to_csv(score(options, true));
    if (options.csv.empty())
      print(text);
    else
      write_file(options.csv, text.data(), text.size());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "digfusion score: %s\n", error.what());
    return 1;
  } catch (...) {
    std::fputs("digfusion score: an unknown error\n", stderr);
    return 1;
  }
}

}  // namespace digfusion::tools
