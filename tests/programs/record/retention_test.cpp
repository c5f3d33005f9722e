// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/record/retention.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <fstream>

#include "pipelines/common/failure.h"
#include "pipelines/record/descriptor.h"
#include "tests/core/metrics/temporary_folder.h"
#include "tests/programs/record/decode.h"

namespace digfusion::pipelines {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr std::uint64_t plenty = 1'000'000'000'000;
constexpr std::size_t size = 64 * 1024;  // whole blocks of any file system

class RetentionTest : public testing::Test {
 protected:
  /// A segment that began and was last written to so long ago.
  fs::path segment(std::chrono::seconds age, const std::string& prefix = "gate",
                   std::optional<std::chrono::seconds> changed = {}) {
    const fs::path path = folder.path / segment_name(prefix, now - age, false, 0, Container::mp4);
    std::ofstream(path) << std::string(size, 'x');
    fs::last_write_time(path, fs::file_time_type::clock::now() - changed.value_or(age));
    return path;
  }
  RetentionResult apply(std::chrono::seconds max_age, std::uint64_t keep_free, std::uint64_t free = plenty) {
    return apply_retention(folder.path, "gate", {max_age, keep_free}, now, free);
  }
  std::vector<std::string> left() const {
    std::vector<std::string> names;
    for (const auto& file : test::files_in(folder.path)) names.push_back(file.filename());
    return names;
  }

  const WallTime now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  TemporaryFolder folder;
};

TEST_F(RetentionTest, DeletesWhatIsTooOldAndNothingElse) {
  const fs::path old = segment(8 * 24h), young = segment(6 * 24h);
  const RetentionResult result = apply(7 * 24h, 0);
  ASSERT_EQ(result.removed.size(), 1u);
  EXPECT_EQ(result.removed[0].segment.path, old);
  EXPECT_STREQ(result.removed[0].reason, "age");
  EXPECT_EQ(result.removed[0].segment.size, size);
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(young));
}

TEST_F(RetentionTest, KeepsAllWithoutLimits) {
  segment(1000 * 24h);
  EXPECT_TRUE(apply(0s, 0).removed.empty());
  EXPECT_EQ(left().size(), 1u);
}

TEST_F(RetentionTest, TakesAnOldSegmentsLastChangeAsItsAge) {
  // One hour long: its last picture is young enough.
  const fs::path long_one = segment(90min, "gate", 30min);
  apply(1h, 0);
  EXPECT_TRUE(fs::exists(long_one));
}

TEST_F(RetentionTest, KeepsWhatAnOldDateOfChangeSaysButNotItsName) {
  const fs::path copied = segment(1min, "gate", 1000h);
  apply(1h, 0);
  EXPECT_TRUE(fs::exists(copied));
}

TEST_F(RetentionTest, FreesSpaceFromTheOldestOnAndNoMoreThanIsWanted) {
  const fs::path first = segment(3h), second = segment(2h), third = segment(1h);
  const RetentionResult result = apply(0s, plenty, plenty - size - 1);
  EXPECT_TRUE(result.enough);
  EXPECT_GE(result.free, plenty);
  ASSERT_EQ(result.removed.size(), 2u);
  EXPECT_EQ(result.removed[0].segment.path, first);
  EXPECT_EQ(result.removed[1].segment.path, second);
  EXPECT_STREQ(result.removed[1].reason, "space");
  EXPECT_TRUE(fs::exists(third));
}

TEST_F(RetentionTest, SaysWhenDeletingAllIsNotEnough) {
  segment(2h);
  segment(1h);
  const RetentionResult result = apply(0s, plenty, plenty - 10 * size);
  EXPECT_FALSE(result.enough);
  EXPECT_EQ(result.removed.size(), 2u);
}

TEST_F(RetentionTest, LeavesOthersFilesAlone) {
  segment(1000h, "gate-north");
  segment(1000h, "backyard");
  std::ofstream(folder.path / "gate.mp4") << "x";
  std::ofstream(folder.path / "notes.txt") << "x";
  fs::create_directory(folder.path / "gate-2001-01-01T00-00-00Z.mp4");
  fs::create_symlink(folder.path / "notes.txt", folder.path / "gate-2001-01-01T00-00-01Z.mp4");
  const auto before = left();
  const RetentionResult result = apply(1h, plenty, 0);
  EXPECT_TRUE(result.removed.empty());
  EXPECT_EQ(left(), before);
}

TEST_F(RetentionTest, DeletesFormerRunsInAnyContainerAndZone) {
  for (const char* name : {"gate-2001-01-01T00-00-00Z.mkv", "gate-2001-01-01T00-00-00Z.mp4",
                           "gate-2001-01-01T00-00-00+0100.mp4", "gate-2001-01-01T00-00-00Z_02.mp4"}) {
    std::ofstream(folder.path / name) << "x";
    fs::last_write_time(folder.path / name, fs::file_time_type::clock::now() - 1000h);
  }
  EXPECT_EQ(apply(1h, 0).removed.size(), 4u);
  EXPECT_TRUE(left().empty());
}

TEST_F(RetentionTest, NeverDeletesAnOpenSegment) {
  const fs::path open = segment(1000h), complete = segment(900h);
  Descriptor descriptor(::open(open.c_str(), O_RDWR));
  ASSERT_TRUE(mark_as_open(descriptor.get()));
  const RetentionResult result = apply(1h, plenty, 0);
  ASSERT_EQ(result.removed.size(), 1u);
  EXPECT_EQ(result.removed[0].segment.path, complete);
  EXPECT_FALSE(result.enough);
  EXPECT_TRUE(fs::exists(open));

  descriptor = Descriptor();
  EXPECT_EQ(apply(1h, 0).removed.size(), 1u);
}

TEST_F(RetentionTest, DoesNotCountOnAFileThatHasAnotherLink) {
  const fs::path linked = segment(2h), alone = segment(1h);
  fs::create_hard_link(linked, folder.path / "kept as evidence.mp4");
  const RetentionResult result = apply(0s, plenty, plenty - 1);
  EXPECT_EQ(result.removed.size(), 2u);
  EXPECT_TRUE(fs::exists(folder.path / "kept as evidence.mp4"));
}

TEST_F(RetentionTest, SaysWhichFolderCannotBeRead) {
  try {
    apply_retention(folder.path / "gone", "gate", {1h, 0}, now, plenty);
    FAIL() << "no error";
  } catch (const Failure& failure) {
    EXPECT_NE(std::string(failure.what()).find("gone"), std::string::npos) << failure.what();
  }
  EXPECT_THROW(free_space(folder.path / "gone"), Failure);
  EXPECT_GT(free_space(folder.path), 0u);
}

}  // namespace
}  // namespace digfusion::pipelines
