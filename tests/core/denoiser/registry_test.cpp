// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/denoiser/registry.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/core/denoiser/model_files.h"
#include "tests/core/metrics/temporary_folder.h"

namespace digfusion {
namespace {

class Registry : public testing::Test {
 protected:
  Registry() {
    write_model_file(folder.path / "denoiser", tiny_denoiser());
    write_model_file(folder.path / "gradient-student", tiny_gradient_student());
  }
  std::string denoiser() const { return (folder.path / "denoiser").string(); }
  std::string student() const { return (folder.path / "gradient-student").string(); }
  const TemporaryFolder folder;
};

TEST_F(Registry, OneCopyServesAllWhoNameTheSameFileDeviceAndPrecision) {
  const auto first = open_denoiser(denoiser(), at::kCPU, at::kFloat);
  EXPECT_EQ(open_denoiser(denoiser(), at::kCPU, at::kFloat).get(), first.get());
  std::filesystem::create_symlink(denoiser(), folder.path / "by another name");
  EXPECT_EQ(open_denoiser((folder.path / "by another name").string(), at::kCPU, at::kFloat).get(),
            first.get());
  EXPECT_NE(open_denoiser(denoiser(), at::kCPU, at::kBFloat16).get(), first.get());

  const auto a = open_gradient_student(student(), at::kCPU, at::kFloat),
             b = open_gradient_student(student(), at::kCPU, at::kFloat);
  EXPECT_EQ(a.get(), b.get());
}

TEST_F(Registry, ACopyLivesAsLongAsItsLastUser) {
  auto first = open_denoiser(denoiser(), at::kCPU, at::kFloat);
  const std::weak_ptr<const Denoiser> watched = first;
  auto second = open_denoiser(denoiser(), at::kCPU, at::kFloat);
  first.reset();
  EXPECT_FALSE(watched.expired());
  second.reset();
  EXPECT_TRUE(watched.expired());
}

TEST_F(Registry, AChangedFileIsReadAnew) {
  const auto before = open_denoiser(denoiser(), at::kCPU, at::kFloat);
  write_model_file(folder.path / "denoiser", tiny_denoiser(2));
  std::filesystem::last_write_time(denoiser(),
                                   std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_NE(open_denoiser(denoiser(), at::kCPU, at::kFloat).get(), before.get());
}

TEST_F(Registry, ThreadsThatOpenAtOnceShareTheCopy) {
  std::vector<std::shared_ptr<const GradientStudent>> opened(8);
  {
    std::vector<std::jthread> threads;
    for (auto& each : opened)
      threads.emplace_back([&] { each = open_gradient_student(student(), at::kCPU, at::kFloat); });
  }
  EXPECT_EQ(std::set(opened.begin(), opened.end()).size(), 1u);
}

}  // namespace
}  // namespace digfusion
