// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What happens to segments, told to the operator (standard error) and to scripts (standard output, a JSON
// object on each line).
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "pipelines/common/program.h"
#include "pipelines/record/retention.h"

namespace digfusion::pipelines {

/// Main thread.
class Journal {
 public:
  /// `json`: lines for scripts as well.
  Journal(Program& program, bool json) : program_(program), json_(json) {}
  /// {"event":"opened","file":"…","time":"2026-11-21T12:04:31.250Z"}: the first picture's time.
  void opened(const std::filesystem::path& path, std::chrono::system_clock::time_point begin) const;
  /// {"event":"closed","file":"…","seconds":600.0,"bytes":123456}
  void closed(const std::filesystem::path& path, double seconds) const;
  /// {"event":"deleted","file":"…","bytes":123456,"reason":"age"|"space"}
  void deleted(const RetentionResult::Removed& removed) const;
  /// {"event":"stopped","reason":"…"}; the operator is told by whoever ends the program.
  void stopped(const std::string& reason) const;

 private:
  Program& program_;
  const bool json_;
};

}  // namespace digfusion::pipelines
