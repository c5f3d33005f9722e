// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/record/segment_name.h"

#include <glib.h>

#include <array>
#include <cstdio>
#include <memory>
#include <regex>

namespace digfusion::pipelines {
namespace {

struct DateTimeUnref {
  void operator()(GDateTime* time) const { g_date_time_unref(time); }
};
using DateTime = std::unique_ptr<GDateTime, DateTimeUnref>;
struct Free {
  void operator()(void* memory) const { g_free(memory); }
};

constexpr std::array containers{
    ContainerInfo{Container::mp4, "mp4", ".mp4", "mp4mux"},
    ContainerInfo{Container::matroska, "matroska", ".mkv", "matroskamux"},
};

}  // namespace

const ContainerInfo& container_info(Container container) {
  return containers[static_cast<std::size_t>(container)];
}

std::string segment_name(std::string_view prefix, WallTime begin, bool local_time, int again,
                         Container container) {
  DateTime time(g_date_time_new_from_unix_utc(begin.time_since_epoch().count()));
  if (local_time) time.reset(g_date_time_to_local(time.get()));
  const std::unique_ptr<char, Free> text(
      g_date_time_format(time.get(), local_time ? "%Y-%m-%dT%H-%M-%S%z" : "%Y-%m-%dT%H-%M-%SZ"));
  char suffix[16] = "";
  if (again > 0) std::snprintf(suffix, sizeof suffix, "_%02d", again);
  return std::string(prefix) + "-" + text.get() + suffix + container_info(container).extension;
}

std::optional<WallTime> parse_segment_name(std::string_view prefix, std::string_view name) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  static const std::regex form(
      R"(-(\d{4})-(\d\d)-(\d\d)T(\d\d)-(\d\d)-(\d\d)(?:Z|([+-])(\d\d)(\d\d))(?:_\d\d)?\.(?:mp4|mkv))");
  std::cmatch parts;
  if (!std::regex_match(name.data(), name.data() + name.size(), parts, form)) return std::nullopt;
  const auto number = [&parts](int index) { return std::stoi(parts[index]); };
  // Refuses dates that don't exist.
  const DateTime time(g_date_time_new_utc(number(1), number(2), number(3), number(4), number(5), number(6)));
  if (!time) return std::nullopt;
  std::chrono::seconds offset{0};
  if (parts[7].matched) {
    offset = std::chrono::hours(number(8)) + std::chrono::minutes(number(9));
    if (parts[7] == "-") offset = -offset;
  }
  return WallTime(std::chrono::seconds(g_date_time_to_unix(time.get())) - offset);
}

std::string problem_with_prefix(std::string_view prefix) {
  if (prefix.empty()) return "is empty";
  if (prefix.size() > 100) return "is longer than 100 characters";
  if (prefix.front() == '.' || prefix.front() == '-')
    return "begins with '" + std::string(1, prefix.front()) + "'";
  for (const char c : prefix)
    if (c == '/' || static_cast<unsigned char>(c) < ' ') return "has a '/' or a control character";
  return {};
}

}  // namespace digfusion::pipelines
