// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The options that bring LPIPS' weights, of whichever command prints that figure.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>

#include "core/tools/score.h"

namespace digfusion::tools {

class LpipsOptions {
 public:
  /// Adds --lpips, --lpips-backbone and --lpips-weights to `command`, which must not outlive this.
  explicit LpipsOptions(CLI::App& command);
  LpipsOptions(const LpipsOptions&) = delete;
  LpipsOptions& operator=(const LpipsOptions&) = delete;

  /// Reads the weights (core/metrics/lpips/lpips.h; throws what that does). Empty where no option was given.
  PerceptualDistance distance() const;

 private:
  std::filesystem::path folder_, backbone_, linear_;
};

}  // namespace digfusion::tools
