// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion score`: the figures of core/metrics for a folder of fused pictures, as CSV.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/metrics/metrics.h"

namespace digfusion::tools {

/// LPIPS of two lumas (core/metrics/lpips/lpips.h), or nothing where the user brought no weights. Called from
/// several threads at once.
using PerceptualDistance = std::function<double(const cv::Mat& a, const cv::Mat& b)>;

struct ScoreOptions {
  std::filesystem::path visible, infrared, fused;  ///< folders, paired by equal stem (pictures.h)
  std::filesystem::path csv;                       ///< file to write; empty: standard output
  bool baselines = false;      ///< score core/metrics/baselines.h on the same pictures too
  int threads = 0;             ///< pictures at the same time; 0: one for each core
  PerceptualDistance lpips{};  ///< adds the column LPIPS
};

/// One line of the table.
struct ScoreRow {
  std::string method;   ///< "fused", "average", "maximum" or "laplacian"
  std::string picture;  ///< stem, or "mean"
  metrics::Figures figures;
  std::optional<double> lpips{};  ///< ½(LPIPS(a,f) + LPIPS(b,f))
};

/// The figures of a fused luma and its two sources (core/metrics/metrics.h says what they may be), without
/// names.
ScoreRow score_luma(const cv::Mat& fused, const cv::Mat& a, const cv::Mat& b,
                    const PerceptualDistance& lpips);

/// Method by method a row for each picture, in the order of the stems, and then the mean over them.
/// `progress`: show it on standard error where that is a terminal. Throws std::runtime_error for whatever
/// can't be scored.
std::vector<ScoreRow> score(const ScoreOptions& options, bool progress);

/// The row named "mean" of the method whose rows these are (one at least).
ScoreRow mean_row(const std::string& method, std::span<const ScoreRow> rows);

/// CSV (RFC 4180, lines end in \n): a head line, `method,picture,` and the names of metrics::columns (then
/// LPIPS when the rows have it), then the rows, six decimals; PSNR of equal pictures is "inf". The same in
/// any locale.
std::string to_csv(const std::vector<ScoreRow>& rows);

/// Scores and writes. Returns the exit code: 0, or 1 after one clear message on standard error; nothing has
/// then been written. Nothing throws.
int run_score(const ScoreOptions& options);

}  // namespace digfusion::tools
