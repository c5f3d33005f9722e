// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Rows of text as the two kinds of table that the program writes. The first row is the head.
#pragma once

#include <string>
#include <vector>

namespace digfusion::tools {

using TableRow = std::vector<std::string>;

/// Aligned columns: the first to the left, the others, which hold numbers, to the right. All rows are as long
/// as the head.
std::string markdown_table(const std::vector<TableRow>& rows);

/// CSV (RFC 4180, lines end in \n).
std::string csv_table(const std::vector<TableRow>& rows);

/// One field of it: quoted where it must be.
std::string csv_field(const std::string& text);

}  // namespace digfusion::tools
