// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digfusion rank`: our methods among others on one folder of pairs, in every figure at once.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/metrics/metrics.h"
#include "core/parameters/parameters.h"

namespace digfusion::tools {

/// Noise added to the sources before they are fused; the figures are those against the clean sources.
/// Standard deviations, of 255.
struct SourceNoise {
  double visible = 0, infrared = 0;  ///< white
  double column = 0;                 ///< one offset for each column of the infrared picture
};
/// "20,10" or "20,10,8". Throws std::runtime_error for anything else.
SourceNoise parse_noise(const std::string& text);

struct RankMethod {
  std::string name;
  Parameters parameters;
  bool denoise_first = false;  ///< OpenCV's non-local means, told the noise level, before the fusion
};

/// Every preset and every method by itself, without the doubles; the first is the default.
std::vector<RankMethod> rank_methods(const Parameters& base);

struct RankOptions {
  std::filesystem::path data;       ///< folder with the subfolders visible and infrared (reproduce_data.h)
  std::filesystem::path published;  ///< published.h; may be empty
  std::filesystem::path output;     ///< folder, made if missing
  std::vector<RankMethod> methods;
  std::optional<SourceNoise> noise;
  int limit = 0;  ///< pairs, spread evenly over the names; 0: all
  bool quiet = false;
};

/// Which pairs: settings are tuned on every third in the order of the names, so the others are apart.
enum class Part { all, tuned, unseen };

/// A method's means over a part.
struct RankRow {
  enum class Kind { ours, baseline, published };
  std::string method;
  Kind kind;
  metrics::Figures figures;
  std::optional<double> hot_target;  ///< over the pictures that have hot targets
  /// With noise: PSNR and SSIM of the picture to the method's own from the clean sources.
  std::optional<double> clean_psnr, clean_ssim;
  double rank = 0;
};

struct RankTable {
  Part part;
  std::size_t pairs;
  std::vector<RankRow> rows;  ///< by rank
};

/// Mean ranks over 13 figures (all of metrics::columns but PSNR, which MSE tells already). Ours are ranked
/// one by one among the others, so that our own number doesn't matter; the others among each other and our
/// first. Sorts by rank.
void add_ranks(std::vector<RankRow>& rows);

/// Fuses, scores and writes rank.md, rank.csv, rank_pictures.csv, rank.png and the fused pictures
/// (pictures/METHOD/). Three tables, one for each part; one where there are fewer than three pairs. Throws
/// std::runtime_error.
std::vector<RankTable> rank(const RankOptions& options);

}  // namespace digfusion::tools
