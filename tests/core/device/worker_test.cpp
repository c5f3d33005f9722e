// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/device/worker.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <set>
#include <stdexcept>
#include <thread>

namespace digfusion {
namespace {

TEST(Worker, DoesAllInOneThreadAndThrowsWhatItIsGiven) {
  Worker worker;
  std::set<std::thread::id> threads;
  int done = 0;
  for (int i = 0; i < 20; ++i) {
    std::jthread([&] {
      at::set_num_threads(1 + i % 2);
      worker.run([&] {
        threads.insert(std::this_thread::get_id());
        EXPECT_EQ(at::get_num_threads(), 1 + i % 2);
        ++done;
      });
      EXPECT_EQ(done, i + 1);
    });
    EXPECT_THROW(worker.run([] { throw std::invalid_argument("what"); }), std::invalid_argument);
  }
  EXPECT_EQ(threads.size(), 1u);
  EXPECT_FALSE(threads.contains(std::this_thread::get_id()));
}

}  // namespace
}  // namespace digfusion
