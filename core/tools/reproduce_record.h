// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a run of `digfusion reproduce tableN` has done so far, on disk, so that it can be interrupted and
// continued, or repeated with more pairs.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "core/tools/reproduce_results.h"

namespace digfusion::tools {

class Record {
 public:
  /// Reads what is there; a file that is missing or isn't such a record counts as none. `keep` false: starts
  /// anew.
  Record(std::filesystem::path file, bool keep);

  /// The entry of that key, if its settings were these.
  std::optional<TableEntry> find(const std::string& key, const std::string& settings) const;
  /// Adds it and writes the file. Throws std::runtime_error.
  void add(const std::string& key, const std::string& settings, const TableEntry& entry);

 private:
  struct Item {
    std::string settings;
    TableEntry entry;
  };
  std::filesystem::path file_;
  std::map<std::string, Item> items_;
};

}  // namespace digfusion::tools
