// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/record/retention.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "pipelines/common/failure.h"
#include "pipelines/record/descriptor.h"

namespace digfusion::pipelines {

std::vector<StoredSegment> stored_segments(const std::filesystem::path& folder, std::string_view prefix) {
  std::vector<StoredSegment> segments;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto begin = parse_segment_name(prefix, entry.path().filename().string());
    struct stat status {};
    // Not stat(): a link is nobody's recording.
    if (!begin || ::lstat(entry.path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    const WallTime changed{std::chrono::seconds(status.st_mtim.tv_sec)};
    segments.push_back({entry.path(), *begin, std::max(*begin, changed),
                        static_cast<std::uint64_t>(status.st_size),
                        status.st_nlink == 1 ? static_cast<std::uint64_t>(status.st_blocks) * 512 : 0});
  }
  std::sort(segments.begin(), segments.end(), [](const StoredSegment& a, const StoredSegment& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.path < b.path;
  });
  return segments;
}

bool mark_as_open(int descriptor) { return ::flock(descriptor, LOCK_SH | LOCK_NB) == 0; }

Removal remove_segment(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  // Not to be opened means not to be judged, except where it can be deleted all the same (mode 000).
  if (file && ::flock(file.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return Removal::in_use;
  return ::unlink(path.c_str()) == 0 ? Removal::removed : Removal::failed;
}

std::uint64_t free_space(const std::filesystem::path& folder) {
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0)
    throw Failure("can't ask for the free space of " + folder.string() + ": " + std::strerror(errno));
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

RetentionResult apply_retention(const std::filesystem::path& folder, std::string_view prefix,
                                const RetentionRules& rules, WallTime now, std::uint64_t free) {
  RetentionResult result;
  result.free = free;
  result.enough = free >= rules.keep_free;
  if (result.enough && rules.max_age == std::chrono::seconds{0}) return result;
  try {
    for (StoredSegment& segment : stored_segments(folder, prefix)) {
      const bool old = rules.max_age > std::chrono::seconds{0} && now - segment.last > rules.max_age;
      if (!old && result.free >= rules.keep_free) continue;
      switch (remove_segment(segment.path)) {
        case Removal::removed:
          result.free += segment.freed;
          result.removed.push_back({std::move(segment), old ? "age" : "space"});
          break;
        case Removal::in_use:
          break;
        case Removal::failed:
          if (errno != ENOENT)
            result.problems.push_back(segment.path.string() + " can't be deleted: " + std::strerror(errno));
          break;
      }
    }
  } catch (const std::filesystem::filesystem_error& error) {
    throw Failure(folder.string() + " can't be read: " + error.code().message());
  }
  result.enough = result.free >= rules.keep_free;
  return result;
}

}  // namespace digfusion::pipelines
