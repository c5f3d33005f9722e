// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What every experiment of `digfusion reproduce` is told, and what all their reports begin with.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/parameters/parameters.h"
#include "core/tools/plot.h"
#include "core/tools/score.h"

namespace digfusion::tools {

struct Region {
  int x, y, width, height;  ///< pixels
};

struct ReproduceOptions {
  std::filesystem::path data;    ///< folder of pictures (reproduce_data.h); not for theorem1
  std::filesystem::path output;  ///< folder, made if missing
  Parameters parameters;         ///< of the sampling
  int limit = 0;                 ///< pairs of each data set, or scenes; 0: all (of scenes: 16)
  int size = 0;                  ///< longest side of the pictures; 0: as they are (of scenes: 320)
  std::vector<Region> regions;   ///< of figure5; empty: chosen
  PerceptualDistance lpips;      ///< may be empty
  bool quiet = false;
};

/// "name=value name=value …" of all that isn't the default; "" of the defaults.
std::string settings_text(const Parameters& parameters);

/// The same for a page: "`name=value …`" or "every default".
std::string settings_cell(const Parameters& parameters);

/// Which denoiser runs: "the model file X", or that the embedded one stands in for the paper's.
std::string model_note(const Parameters& parameters);

/// Title, date, machine, model and settings as Markdown. `computed_on`: "cpu in bfloat16".
std::string report_head(const std::string& title, const ReproduceOptions& options,
                        const std::string& computed_on);

/// Makes the folder if it is missing. Throws std::runtime_error.
void make_output_folder(const std::filesystem::path& folder);

/// Writes the text as a file in the folder. Throws std::runtime_error.
void write_report(const std::filesystem::path& folder, const std::string& name, const std::string& text);

/// write_plot() into the folder; the reason for a missing picture goes to standard error, once in a process.
void draw(const Plot& plot, const std::filesystem::path& folder, const std::string& name);

}  // namespace digfusion::tools
