// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The fusion parameters on a command line: one option for each row of the table, named, described, ranged and
// defaulted by it, as the element's properties are.
#pragma once

#include <CLI/CLI.hpp>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "core/parameters/parameters.h"

namespace digfusion::tools {

class ParameterOptions {
 public:
  /// Adds an option `--NAME` for every row of parameter_table() to `command`, which must not outlive this;
  /// but for the names of `taken`, options of the command's own.
  explicit ParameterOptions(CLI::App& command, std::initializer_list<std::string_view> taken = {});
  ParameterOptions(const ParameterOptions&) = delete;
  ParameterOptions& operator=(const ParameterOptions&) = delete;

  /// What the command line gave, over `base`: the preset first, then the others over it, whatever their
  /// order. Throws CLI::ValidationError, which names the allowed values, for a value that isn't allowed.
  Parameters parameters(const Parameters& base = {}) const;

 private:
  struct Given {
    const ParameterSpec* spec;
    std::string text;
    CLI::Option* option = nullptr;
  };
  std::vector<Given> given_;  ///< in the order of the table; never grows, since options point into it
};

/// A row's values in a few words: "guided|bandwise|amortised", "1..1000", "TEXT".
std::string values_text(const ParameterSpec& spec);

/// The parameters over `base` that `text` gives as "name=value name=value …", preset first. Throws
/// CLI::ValidationError.
Parameters parse_settings(const Parameters& base, const std::string& text);

/// Help for a terminal of 110 columns: descriptions are wrapped.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(36); }
  std::string make_option_desc(const CLI::Option* option) const override;
  std::string make_subcommand(const CLI::App* command) const override;
  std::string make_description(const CLI::App* command) const override;
};

}  // namespace digfusion::tools
