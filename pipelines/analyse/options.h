// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The options of digfusion-analyse besides those that all programs have.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "pipelines/analyse/detector.h"
#include "pipelines/common/display.h"

namespace digfusion::pipelines {

inline constexpr const char* program_name = "digfusion-analyse";

/// The initialisers are the defaults' only record.
struct AnalyseOptions {
  bool detect = true;
  DetectorOptions detector;
  bool motion = false;
  double motion_sensitivity = .5;  ///< 0..1
  bool every_frame = false;

  std::string json;     ///< a file, "-" standard output; empty: standard output unless `mqtt`
  std::string mqtt;     ///< an address; empty: none
  std::string mqtt_ca;  ///< certificates to trust; empty: the system's
  bool all_frames = false;

  std::string report;  ///< a folder; empty: none

  bool window = false;
  std::string snapshot;  ///< a PNG file; empty: none
  DisplayOptions display;

  bool has_sink() const { return display.sink != DisplayOptions().sink; }
  bool shows() const { return window || has_sink() || !snapshot.empty(); }
};

/// `options` is filled when the command line is parsed, and must live until then.
void add_analyse_options(CLI::App& app, AnalyseOptions& options);

}  // namespace digfusion::pipelines
