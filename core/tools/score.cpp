// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/score.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
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
std::vector<metrics::Figures> score_set(const PictureSet& set, bool baselines) {
  std::array<cv::Mat, 3> lumas;
  for (std::size_t i = 0; i < lumas.size(); ++i) lumas[i] = luma(read_picture(set.files[i]));
  const auto& [visible, infrared, fused] = lumas;
  if (visible.size() != infrared.size() || visible.size() != fused.size())
    throw std::runtime_error("sizes of \"" + set.stem + "\" differ: visible " + size_text(visible) +
                             ", infrared " + size_text(infrared) + ", fused " + size_text(fused) + " (" +
                             set.files[2].string() + "); all three must be equal");
  std::vector<metrics::Figures> figures;
  try {
    figures.push_back(metrics::measure(fused, visible, infrared));
    if (baselines)
      for (const metrics::Baseline& baseline : metrics::baselines)
        figures.push_back(metrics::measure(baseline.fuse(visible, infrared), visible, infrared));
  } catch (const std::invalid_argument& error) {
    throw std::runtime_error("can't score \"" + set.stem + "\": " + error.what());
  }
  return figures;
}

metrics::Figures mean_of(const std::vector<ScoreRow>& rows, std::size_t begin) {
  metrics::Figures mean;
  const double count = static_cast<double>(rows.size() - begin);
  const auto average = [&](double metrics::Figures::*value) {
    for (std::size_t i = begin; i < rows.size(); ++i) mean.*value += rows[i].figures.*value / count;
  };
  for (const metrics::Column& column : metrics::columns) average(column.value);
  average(&metrics::Figures::psnr_sum);
  return mean;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char letter : text) quoted += letter == '"' ? std::string("\"\"") : std::string(1, letter);
  return quoted + "\"";
}

}  // namespace

std::vector<ScoreRow> score(const ScoreOptions& options, bool progress_wanted) {
  const std::array folders{options.visible, options.infrared, options.fused};
  const std::vector<PictureSet> sets = match_pictures(folders);
  std::vector<std::vector<metrics::Figures>> figures(sets.size());

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
        figures[i] = score_set(sets[i], options.baselines);
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
  for (std::size_t method = 0; method < figures.front().size(); ++method) {
    const std::string name = method == 0 ? "fused" : metrics::baselines[method - 1].name;
    const std::size_t begin = rows.size();
    for (std::size_t i = 0; i < sets.size(); ++i) rows.push_back({name, sets[i].stem, figures[i][method]});
    rows.push_back({name, "mean", mean_of(rows, begin)});
  }
  return rows;
}

std::string to_csv(const std::vector<ScoreRow>& rows) {
  std::string text = "method,picture";
  for (const metrics::Column& column : metrics::columns) text += std::string(",") + column.name;
  text += '\n';
  for (const ScoreRow& row : rows) {
    text += csv_field(row.method) + "," + csv_field(row.picture);
    for (const metrics::Column& column : metrics::columns) {
      char number[64];
      const auto end = std::to_chars(number, number + sizeof number, row.figures.*column.value,
                                     std::chars_format::fixed, 6);
      text += ",";
      text.append(number, end.ptr);
    }
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
