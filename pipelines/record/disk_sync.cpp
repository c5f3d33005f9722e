// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/record/disk_sync.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "pipelines/common/failure.h"

namespace digfusion::pipelines {

SyncCalls system_sync_calls() { return {::fdatasync, ::fsync}; }

DiskSync::DiskSync(const std::filesystem::path& folder, std::function<void(const std::string&)> on_problem,
                   SyncCalls calls)
    : folder_path_(folder),
      on_problem_(std::move(on_problem)),
      calls_(std::move(calls)),
      folder_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (!folder_) throw Failure(folder.string() + " can't be opened: " + std::strerror(errno));
  thread_ = std::thread([this] { run(); });
}

DiskSync::~DiskSync() {
  {
    const std::lock_guard lock(mutex_);
    for (auto& [path, file] : open_) complete_.emplace_back(path, std::move(file));
    open_.clear();
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void DiskSync::opened(const std::filesystem::path& path, Descriptor file) {
  const std::lock_guard lock(mutex_);
  if (auto entry = open_.extract(path)) complete_.emplace_back(path, std::move(entry.mapped()));
  open_.emplace(path, std::move(file));
  folder_changed_ = true;
}

void DiskSync::closed(const std::filesystem::path& path) {
  const std::lock_guard lock(mutex_);
  if (auto entry = open_.extract(path)) complete_.emplace_back(path, std::move(entry.mapped()));
}

std::vector<std::filesystem::path> DiskSync::deleted() const {
  std::vector<std::filesystem::path> paths;
  const std::lock_guard lock(mutex_);
  for (const auto& [path, file] : open_) {
    struct stat status {};
    if (::fstat(file.get(), &status) == 0 && status.st_nlink == 0) paths.push_back(path);
  }
  return paths;
}

std::chrono::milliseconds DiskSync::slowest() {
  const std::lock_guard lock(mutex_);
  return std::exchange(slowest_, std::chrono::milliseconds{0});
}

void DiskSync::sync(int file, const std::filesystem::path& path, const std::function<int(int)>& call) {
  const auto begin = std::chrono::steady_clock::now();
  // EINVAL: a file system that knows no such thing.
  if (call(file) != 0 && errno != EINVAL && !std::exchange(problem_told_, true))
    on_problem_(path.string() + " can't be brought to the disk: " + std::strerror(errno));
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  const std::lock_guard lock(mutex_);
  slowest_ = std::max(slowest_, took);
}

void DiskSync::run() {
  std::unique_lock lock(mutex_);
  for (bool last = false; !last;) {
    wake_.wait_for(lock, interval, [this] { return stopping_; });
    last = stopping_;
    const bool folder_changed = std::exchange(folder_changed_, false);
    auto complete = std::exchange(complete_, {});
    std::vector<std::pair<int, std::filesystem::path>> open;
    for (const auto& [path, file] : open_) open.emplace_back(file.get(), path);
    lock.unlock();
    if (folder_changed) sync(folder_.get(), folder_path_, calls_.all);
    for (const auto& [file, path] : open) sync(file, path, calls_.data);
    for (const auto& [path, file] : complete) sync(file.get(), path, calls_.all);
    complete.clear();
    lock.lock();
  }
}

}  // namespace digfusion::pipelines
