// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How long segments are kept: the oldest go, by age and where the disk gets full. Only files whose names are
// exactly those of this recording (segment_name.h) are ever looked at, those of former runs among them.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "pipelines/record/segment_name.h"

namespace digfusion::pipelines {

struct StoredSegment {
  std::filesystem::path path;
  WallTime begin;           ///< by its name
  WallTime last;            ///< the later of `begin` and the time of its last change
  std::uint64_t size = 0;   ///< bytes, for the reader
  std::uint64_t freed = 0;  ///< bytes that deleting it gives back: none while there are other links to it
};

/// The folder's segments with this prefix, the oldest first. Throws std::filesystem::filesystem_error.
std::vector<StoredSegment> stored_segments(const std::filesystem::path& folder, std::string_view prefix);

/// A mark on an open file, against deletion by the retention of any program; gone when it is closed.
bool mark_as_open(int descriptor);

enum class Removal { removed, in_use, failed };
/// Deletes it unless somebody has marked it as open. `failed`: errno says why; also when it is gone already.
Removal remove_segment(const std::filesystem::path& path);

struct RetentionRules {
  std::chrono::seconds max_age{0};  ///< 0: no limit
  std::uint64_t keep_free = 0;      ///< bytes
};

struct RetentionResult {
  struct Removed {
    StoredSegment segment;
    const char* reason;  ///< "age" or "space"
  };
  std::vector<Removed> removed;
  std::vector<std::string> problems;  ///< files that couldn't be deleted, and why
  std::uint64_t free = 0;             ///< bytes, with what was deleted
  bool enough = true;                 ///< free >= keep_free
};

/// What others may write on a file system, in bytes. Throws Failure.
std::uint64_t free_space(const std::filesystem::path& folder);

/// One pass: first what is too old, then the oldest until there is room. What a deleted file gives back is
/// added to `free` by its size rather than measured again: some file systems give it back only later, and
/// would otherwise make this delete everything. Throws Failure when the folder can't be read.
RetentionResult apply_retention(const std::filesystem::path& folder, std::string_view prefix,
                                const RetentionRules& rules, WallTime now, std::uint64_t free);

}  // namespace digfusion::pipelines
