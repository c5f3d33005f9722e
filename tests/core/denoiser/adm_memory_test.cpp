// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/adm_memory.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace digfusion {
namespace {

constexpr std::int64_t large = 64 << 20, small = 1 << 20;  // bytes

at::Tensor bytes(std::int64_t count) { return at::full({count}, 7, at::kByte); }

std::int64_t sum_of(const at::Tensor& x) { return x.sum(at::kLong).item<std::int64_t>(); }

/// What the kernel has been told of the mapping around an address.
enum class Advice { none, huge_pages, not_mapped };

Advice advice(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) inside = begin <= wanted && wanted < end;
    if (inside && line.starts_with("VmFlags:"))
      return line.find(" hg") != std::string::npos ? Advice::huge_pages : Advice::none;
  }
  return Advice::not_mapped;
}

/// Not its edge, which may be in a page that isn't whole.
const void* middle(const at::Tensor& x) {
  return static_cast<const std::uint8_t*>(x.const_data_ptr()) + x.numel() / 2;
}

class LargePagesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists("/sys/kernel/mm/transparent_hugepage/enabled"))
      GTEST_SKIP() << "this system has no transparent huge pages";
  }
};

TEST_F(LargePagesTest, LargeBlocksAreAdvisedAndHoldTheirNumbers) {
  const LargePages wanted;
  at::Tensor x = bytes(large);
  EXPECT_EQ(advice(middle(x)), Advice::huge_pages);
  EXPECT_EQ(sum_of(x), 7 * large);
  EXPECT_EQ(sum_of(x.clone()), 7 * large);
  x.resize_({large + small});  // moves to another block
  EXPECT_EQ(sum_of(x.narrow(0, 0, large)), 7 * large);
}

TEST_F(LargePagesTest, BlocksAreGivenBackWhenTheirTensorGoes) {
  const void* place = nullptr;
  {
    const LargePages wanted;
    const at::Tensor x = bytes(large);
    place = middle(x);
    ASSERT_EQ(advice(place), Advice::huge_pages);
  }
  EXPECT_NE(advice(place), Advice::huge_pages);
  at::Tensor longer;  // than the scope
  {
    const LargePages wanted;
    longer = bytes(large);
  }
  place = middle(longer);
  EXPECT_EQ(sum_of(longer), 7 * large);
  longer.reset();
  EXPECT_NE(advice(place), Advice::huge_pages);
}

TEST_F(LargePagesTest, OtherAllocationsPassThrough) {
  EXPECT_EQ(advice(middle(bytes(large))), Advice::none);
  const LargePages wanted;
  EXPECT_EQ(advice(middle(bytes(small))), Advice::none);
  Advice elsewhere = Advice::not_mapped;
  std::thread([&] { elsewhere = advice(middle(bytes(large))); }).join();
  EXPECT_EQ(elsewhere, Advice::none);
  { const LargePages inner; }
  EXPECT_EQ(advice(middle(bytes(large))), Advice::huge_pages) << "the inner scope ended the outer one";
}

TEST_F(LargePagesTest, EndWithTheirScope) {
  { const LargePages wanted; }
  EXPECT_EQ(advice(middle(bytes(large))), Advice::none);
}

TEST(GiveBackMemory, LeavesWhatIsInUse) {
  const at::Tensor kept = bytes(small);
  { const at::Tensor freed = bytes(small); }
  give_back_memory();
  EXPECT_EQ(sum_of(kept), 7 * small);
}

}  // namespace
}  // namespace digfusion
