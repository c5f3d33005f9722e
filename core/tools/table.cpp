// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/table.h"

#include <algorithm>

#include "core/tools/console.h"

namespace digfusion::tools {

std::string markdown_table(const std::vector<TableRow>& rows) {
  std::vector<std::size_t> widths(rows[0].size(), 3);
  for (const TableRow& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], characters(row[i]));
  std::string text;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t i = 0; i < rows[r].size(); ++i) {
      const std::string pad(widths[i] - characters(rows[r][i]), ' ');
      text += "| " + (i == 0 ? rows[r][i] + pad : pad + rows[r][i]) + " ";
    }
    text += "|\n";
    if (r > 0) continue;
    for (std::size_t i = 0; i < widths.size(); ++i)
      text += i == 0 ? "|" + std::string(widths[i] + 2, '-') : "|" + std::string(widths[i] + 1, '-') + ":";
    text += "|\n";
  }
  return text;
}

std::string csv_table(const std::vector<TableRow>& rows) {
  std::string text;
  for (const TableRow& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) text += (i > 0 ? "," : "") + csv_field(row[i]);
    text += '\n';
  }
  return text;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char letter : text) quoted += letter == '"' ? std::string("\"\"") : std::string(1, letter);
  return quoted + "\"";
}

}  // namespace digfusion::tools
