// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/device/backend.h"

#include <chrono>
#include <cstring>

#include "core/interface/error.h"

namespace digfusion {
namespace {

class CpuEvent : public Event {
 public:
  void record() override { time_ = std::chrono::steady_clock::now(); }
  double milliseconds_since(const Event& earlier) const override {
    return std::chrono::duration<double, std::milli>(time_ - dynamic_cast<const CpuEvent&>(earlier).time_)
        .count();
  }

 private:
  std::chrono::steady_clock::time_point time_{};
};

/// The same calls again, which is what a graph of a GPU does.
class CpuGraph : public Graph {
 public:
  explicit CpuGraph(std::function<void()> frame) : frame_(std::move(frame)) {}
  void replay() override { frame_(); }

 private:
  std::function<void()> frame_;
};

class CpuBackend : public Backend {
 public:
  at::Device device() const override { return at::kCPU; }
  const Kernels& kernels() const override { return *kernels_; }
  void run(const std::function<void()>& function) override { function(); }
  std::unique_ptr<Backend> sibling() override { return std::make_unique<CpuBackend>(); }
  std::unique_ptr<Backend> another() const override { return make_cpu_backend(); }
  at::Tensor buffer(std::size_t bytes) override {
    ++counts_.allocations;
    return at::zeros({static_cast<std::int64_t>(bytes)}, at::kByte);
  }
  at::Tensor staging(std::size_t bytes) override { return buffer(bytes); }
  void copy(void* to, const void* from, std::size_t bytes) override { std::memcpy(to, from, bytes); }
  void wait() override { ++counts_.waits; }
  void wait(const Event&) override { ++counts_.waits; }
  void follow(const Event&) override {}
  std::unique_ptr<Event> event() override { return std::make_unique<CpuEvent>(); }
  std::unique_ptr<Graph> capture(const std::function<void()>& frame) override {
    return std::make_unique<CpuGraph>(frame);
  }
  DeviceCounts counts() const override { return counts_; }

 private:
  std::unique_ptr<Kernels> kernels_ = make_cpu_kernels();
  DeviceCounts counts_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend() { return std::make_unique<CpuBackend>(); }

bool has_backend(at::Device device) {
#ifdef DIGFUSION_KERNELS
  return device.is_cpu() || device.is_cuda();
#else
  return device.is_cpu();
#endif
}

std::unique_ptr<Backend> make_backend(at::Device device) {
  if (device.is_cpu()) return make_cpu_backend();
#ifdef DIGFUSION_KERNELS
  if (device.is_cuda()) return make_cuda_backend(device);
#endif
  throw Error(ErrorCode::device, "this build of digfusion has no kernels for " + device.str() +
                                     "; build with -Dcuda=enabled and nvcc");
}

}  // namespace digfusion
