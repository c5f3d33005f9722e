// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The files of a recording: NAME-2026-11-21T12-04-31Z.mp4. The time is that of the first picture, in UTC or,
// with its offset, in local time; colons are left out because FAT and network folders have none. In UTC the
// order of the names is the order in time.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace digfusion::pipelines {

enum class Container { mp4, matroska };

struct ContainerInfo {
  Container value;
  const char* nick;       ///< as typed: "mp4"
  const char* extension;  ///< of the files, with the dot
  const char* muxer;      ///< the element
};
const ContainerInfo& container_info(Container container);

using WallTime = std::chrono::sys_seconds;

/// `again`: 0, or 2 to 99 where there is such a file already: "…31Z_02.mp4", which comes after "…31Z.mp4".
std::string segment_name(std::string_view prefix, WallTime begin, bool local_time, int again,
                         Container container);

/// The time in the name, of either container, in UTC or local time; nothing for any other name, and for those
/// of another prefix even where it begins with this one.
std::optional<WallTime> parse_segment_name(std::string_view prefix, std::string_view name);

/// Why `prefix` is of no use in file names; empty if it is.
std::string problem_with_prefix(std::string_view prefix);

}  // namespace digfusion::pipelines
