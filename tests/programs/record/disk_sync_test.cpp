// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/record/disk_sync.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/types.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <map>
#include <mutex>
#include <optional>

#include "pipelines/common/failure.h"
#include "tests/core/metrics/temporary_folder.h"

namespace digfusion::pipelines {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// Counts the calls for each file, and does them.
struct Counted {
  mutable std::mutex mutex;
  std::map<ino_t, int> data, all;

  SyncCalls calls() {
    return {[this](int file) { return count(file, data, ::fdatasync(file)); },
            [this](int file) { return count(file, all, ::fsync(file)); }};
  }
  int count(int file, std::map<ino_t, int>& calls, int result) {
    struct stat status {};
    EXPECT_EQ(::fstat(file, &status), 0) << "not an open file";
    const std::lock_guard lock(mutex);
    ++calls[status.st_ino];
    return result;
  }
  int of(const std::map<ino_t, int>& calls, const std::filesystem::path& path) const {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    const std::lock_guard lock(mutex);
    const auto found = calls.find(status.st_ino);
    return found == calls.end() ? 0 : found->second;
  }
};

bool within(std::chrono::milliseconds limit, const std::function<bool()>& condition) {
  const auto end = Clock::now() + limit;
  while (!condition()) {
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

class DiskSyncTest : public testing::Test {
 protected:
  Descriptor create(const char* name) {
    return Descriptor(::open((folder.path / name).c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666));
  }
  void start(SyncCalls calls) {
    sync.emplace(
        folder.path,
        [this](const std::string& problem) {
          const std::lock_guard lock(mutex);
          problems.push_back(problem);
        },
        std::move(calls));
  }
  TemporaryFolder folder;
  std::mutex mutex;
  std::vector<std::string> problems;
  Counted counted;
  std::optional<DiskSync> sync;
};

TEST_F(DiskSyncTest, BringsOpenFilesToTheDiskAgainAndAgain) {
  start(counted.calls());
  sync->opened(folder.path / "a", create("a"));
  sync->opened(folder.path / "b", create("b"));
  for (const char* name : {"a", "b"})
    EXPECT_TRUE(within(20s, [&] { return counted.of(counted.data, folder.path / name) >= 3; })) << name;
}

TEST_F(DiskSyncTest, BringsTheNameOfANewFileToTheDisk) {
  start(counted.calls());
  EXPECT_EQ(counted.of(counted.all, folder.path), 0);
  sync->opened(folder.path / "a", create("a"));
  EXPECT_TRUE(within(20s, [&] { return counted.of(counted.all, folder.path) >= 1; }));
}

TEST_F(DiskSyncTest, BringsAClosedFileToTheDiskOnceAndLetsItGo) {
  start(counted.calls());
  Descriptor file = create("a");
  const int number = file.get();
  sync->opened(folder.path / "a", std::move(file));
  sync->closed(folder.path / "a");
  EXPECT_TRUE(within(20s, [&] { return ::fcntl(number, F_GETFD) < 0; })) << "still open";
  EXPECT_EQ(counted.of(counted.all, folder.path / "a"), 1);
}

TEST_F(DiskSyncTest, BringsTheRestToTheDiskWhenItEnds) {
  start(counted.calls());
  sync->opened(folder.path / "a", create("a"));
  sync.reset();
  EXPECT_EQ(counted.of(counted.all, folder.path / "a"), 1);
  EXPECT_EQ(counted.of(counted.all, folder.path), 1);
}

TEST_F(DiskSyncTest, TellsOnceThatTheDiskRefuses) {
  SyncCalls broken = system_sync_calls();
  std::atomic<int> calls = 0;
  broken.data = [&](int) {
    ++calls;
    errno = EIO;
    return -1;
  };
  start(broken);
  sync->opened(folder.path / "a", create("a"));
  EXPECT_TRUE(within(20s, [&] { return calls >= 3; }));
  sync.reset();
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].find((folder.path / "a").string()), std::string::npos) << problems[0];
  EXPECT_NE(problems[0].find("Input/output error"), std::string::npos) << problems[0];
}

TEST_F(DiskSyncTest, TakesAFileSystemThatCannotSyncAsItIs) {
  SyncCalls none = system_sync_calls();
  std::atomic<int> calls = 0;
  none.data = [&](int) {
    ++calls;
    errno = EINVAL;
    return -1;
  };
  start(none);
  sync->opened(folder.path / "a", create("a"));
  EXPECT_TRUE(within(20s, [&] { return calls >= 2; }));
  sync.reset();
  EXPECT_TRUE(problems.empty());
}

TEST_F(DiskSyncTest, ASlowDiskHoldsUpNobodyAndIsKnown) {
  SyncCalls slow = system_sync_calls();
  slow.data = [](int) {
    std::this_thread::sleep_for(600ms);
    return 0;
  };
  start(slow);
  sync->opened(folder.path / "a", create("a"));
  std::this_thread::sleep_for(DiskSync::interval + 100ms);  // within the call
  const auto begin = Clock::now();
  sync->opened(folder.path / "b", create("b"));
  sync->closed(folder.path / "b");
  EXPECT_LT(Clock::now() - begin, 400ms);
  EXPECT_TRUE(within(20s, [&] { return sync->slowest() >= 600ms; }));
}

TEST_F(DiskSyncTest, FindsAFileThatWasDeletedWhileOpen) {
  start(system_sync_calls());
  sync->opened(folder.path / "a", create("a"));
  sync->opened(folder.path / "b", create("b"));
  EXPECT_TRUE(sync->deleted().empty());
  std::filesystem::remove(folder.path / "a");
  EXPECT_EQ(sync->deleted(), std::vector{folder.path / "a"});
}

TEST_F(DiskSyncTest, SaysWhichFolderIsNotThere) {
  EXPECT_THROW(DiskSync(folder.path / "gone", [](const std::string&) {}), Failure);
}

// What the kernel itself says is not yet on the disk (cachestat(), Linux 6.5).
TEST_F(DiskSyncTest, LeavesNothingInMemoryThatIsOlderThanTheIntervals) {
  struct Range {
    __u64 offset, length;
  } all{0, 0};
  struct Stat {
    __u64 cached, dirty, writeback, evicted, recently_evicted;
  } stat{};
  constexpr long cachestat = 451;
  Descriptor file = create("a");
  const int number = file.get();
  const auto unwritten = [&] {
    return ::syscall(cachestat, number, &all, &stat, 0) == 0 ? stat.dirty + stat.writeback : 0;
  };
  const std::string data(1 << 20, 'x');
  ASSERT_EQ(::write(number, data.data(), data.size()), static_cast<ssize_t>(data.size()));
  if (unwritten() == 0) GTEST_SKIP() << "this kernel or file system doesn't tell what it holds back";
  start(system_sync_calls());
  sync->opened(folder.path / "a", std::move(file));
  EXPECT_TRUE(within(20s, [&] { return unwritten() == 0; }));
}

}  // namespace
}  // namespace digfusion::pipelines
