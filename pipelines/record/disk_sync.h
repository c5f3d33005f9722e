// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Brings what has been written to open segments to the disk itself. The kernel keeps written data in memory
// for up to 30 s, and a power cut would cost as much.
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "pipelines/record/descriptor.h"

namespace digfusion::pipelines {

/// The system calls, so that tests can take their place: 0, or -1 with errno.
struct SyncCalls {
  std::function<int(int)> data;  ///< fdatasync()
  std::function<int(int)> all;   ///< fsync()
};
SyncCalls system_sync_calls();

/// Has a thread of its own, so that a slow disk doesn't hold up the pictures. Thread-safe.
class DiskSync {
 public:
  /// How often. With the key frames' interval, the fragments' and the disk's own time it makes up what a
  /// power cut costs (docs/record.md).
  static constexpr std::chrono::milliseconds interval{200};

  /// `on_problem`: the disk refuses (full, broken), in words; from the thread, once. Throws Failure when the
  /// folder can't be opened.
  DiskSync(const std::filesystem::path& folder, std::function<void(const std::string&)> on_problem,
           SyncCalls calls = system_sync_calls());
  /// Brings the rest to the disk.
  ~DiskSync();
  DiskSync(const DiskSync&) = delete;
  DiskSync& operator=(const DiskSync&) = delete;

  /// A file that is written to from now on; its name goes to the disk as well. `file`: open for reading at
  /// least.
  void opened(const std::filesystem::path& path, Descriptor file);
  /// It is complete: for the last time, then `file` is closed.
  void closed(const std::filesystem::path& path);
  /// Files opened and not closed, that somebody has deleted meanwhile.
  std::vector<std::filesystem::path> deleted() const;
  /// The longest that a sync took since the last call.
  std::chrono::milliseconds slowest();

 private:
  void run();
  void sync(int file, const std::filesystem::path& path, const std::function<int(int)>& call);

  const std::filesystem::path folder_path_;
  const std::function<void(const std::string&)> on_problem_;
  const SyncCalls calls_;
  const Descriptor folder_;
  bool problem_told_ = false;  ///< the thread's

  mutable std::mutex mutex_;  ///< leaf; guards what follows. Nobody closes a descriptor but the thread.
  std::condition_variable wake_;
  std::map<std::filesystem::path, Descriptor> open_;
  std::vector<std::pair<std::filesystem::path, Descriptor>> complete_;
  bool folder_changed_ = false, stopping_ = false;
  std::chrono::milliseconds slowest_{0};

  std::thread thread_;  ///< last: starts when all else is there
};

}  // namespace digfusion::pipelines
