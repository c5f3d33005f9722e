// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/record/journal.h"

#include <glib.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/tools/console.h"
#include "pipelines/record/options.h"

namespace digfusion::pipelines {
namespace {

using Json = nlohmann::ordered_json;

void print(const Json& line) {
  // Names of files need not be UTF-8.
  std::puts(line.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  std::fflush(stdout);
}

std::string time_text(std::chrono::system_clock::time_point time) {
  const auto since = std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
  GDateTime* date = g_date_time_new_from_unix_utc(since / 1000);
  gchar* seconds = g_date_time_format(date, "%Y-%m-%dT%H:%M:%S");
  char milliseconds[8];
  std::snprintf(milliseconds, sizeof milliseconds, ".%03dZ", static_cast<int>(since % 1000));
  const std::string text = std::string(seconds) + milliseconds;
  g_free(seconds);
  g_date_time_unref(date);
  return text;
}

std::uint64_t size_of(const std::filesystem::path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

}  // namespace

void Journal::opened(const std::filesystem::path& path, std::chrono::system_clock::time_point begin) const {
  if (json_) print({{"event", "opened"}, {"file", path.string()}, {"time", time_text(begin)}});
}

void Journal::closed(const std::filesystem::path& path, double seconds) const {
  const std::uint64_t bytes = size_of(path);
  program_.say(path.filename().string() + "  " + tools::duration_text(seconds) + "  " + size_text(bytes));
  if (json_) print({{"event", "closed"}, {"file", path.string()}, {"seconds", seconds}, {"bytes", bytes}});
}

void Journal::deleted(const RetentionResult::Removed& removed) const {
  const StoredSegment& segment = removed.segment;
  program_.say("deleted " + segment.path.filename().string() + " (" + removed.reason + ", " +
               size_text(segment.size) + ")");
  if (json_)
    print({{"event", "deleted"},
           {"file", segment.path.string()},
           {"bytes", segment.size},
           {"reason", removed.reason}});
}

void Journal::stopped(const std::string& reason) const {
  if (json_) print({{"event", "stopped"}, {"reason", reason}});
}

}  // namespace digfusion::pipelines
