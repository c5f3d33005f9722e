// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The parameter table as a page of documentation.
#pragma once

#include <string>

namespace digfusion::tools {

/// docs/parameters.md: every parameter with its default, values, blurb and when it can change, then the
/// presets.
std::string parameters_markdown();

/// The same in short for a terminal: a parameter with its default and values, and its blurb below.
std::string parameters_text();

}  // namespace digfusion::tools
