// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Several streams of one process: threads, a student for all of them, and memory that ends.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/denoiser/gradient_student.h"
#include "core/device/device.h"
#include "tests/core/denoiser/model_files.h"
#include "tests/core/tensors.h"

namespace digfusion {

inline std::shared_ptr<const GradientStudent> random_student() {
  ModelFile file = tiny_gradient_student();
  file.config.widths = {8, 6};  // at half the size: twice the memory of a picture
  file.weights = initialise_unet(file.config, at::detail::createCPUGenerator(1));
  std::uint64_t seed = 1;
  for (auto& [name, w] : file.weights) w = random_tensor(w.sizes(), ++seed) * 0.12;
  return std::make_shared<const GradientStudent>(file.config, file.weights, file.timesteps);
}

/// function(i) for i = 0..count-1, each in a thread of its own, as streams have.
template <class Function>
void in_threads(int count, const Function& function) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      const c10::InferenceMode inference;
      use_threads(1);
      function(i);
    });
}

/// Frames of all streams, each in its thread, until all were in one batch; from then on each is awaited by
/// the others. `frame` and `counts()`: this stream's.
template <class Counts>
void meet(std::barrier<>& together, const std::function<void()>& frame, const Counts& counts) {
  for (bool met = false; !met;) {
    const auto before = counts();
    together.arrive_and_wait();
    frame();
    together.arrive_and_wait();
    met = counts().batches == before.batches + 1;
    together.arrive_and_wait();
  }
}

inline void expect_near(const at::Tensor& a, const at::Tensor& b) {
  ASSERT_EQ(a.sizes(), b.sizes());
  EXPECT_LT((a - b).abs().max().item<double>(), 1e-5 * (1 + b.abs().max().item<double>()));
}

/// Memory that ends: while one lives, no allocation on the CPU may be larger than `most` bytes.
class ScarceMemory final : public c10::Allocator {
 public:
  explicit ScarceMemory(std::size_t most) : most_(most), inner_(*c10::GetCPUAllocator()) {
    c10::SetCPUAllocator(this, 255);
  }
  ~ScarceMemory() override { c10::SetCPUAllocator(&inner_, 255); }

  c10::DataPtr allocate(std::size_t bytes) override {
    if (bytes > most_) {
      ++refused;
      throw c10::Error({"", "", 0}, "DefaultCPUAllocator: can't allocate memory: you tried to allocate " +
                                        std::to_string(bytes) + " bytes.");
    }
    return inner_.allocate(bytes);
  }
  c10::DeleterFnPtr raw_deleter() const override { return inner_.raw_deleter(); }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    inner_.copy_data(to, from, bytes);
  }

  std::atomic<int> refused = 0;

 private:
  std::size_t most_;
  c10::Allocator& inner_;
};

}  // namespace digfusion
