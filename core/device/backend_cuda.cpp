// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The device interface on NVIDIA GPUs. Compiled only where nvcc is.
#include <ATen/Context.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime.h>

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/device/backend.h"
#include "core/device/current_kernels.h"
#include "core/interface/error.h"

namespace digfusion {
namespace {

/// LibTorch's runtime and ours are two in one process, on one driver: both see what sticks.
void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // what doesn't stick is told once
  const bool memory = error == cudaErrorMemoryAllocation;
  throw Error(memory ? ErrorCode::out_of_memory : ErrorCode::device,
              std::string(what) + ": " + cudaGetErrorName(error) + " (" + cudaGetErrorString(error) +
                  (memory ? "); use a smaller picture or model"
                          : "); the element works again after READY where the "
                            "driver allows it"));
}

class CudaEvent : public Event {
 public:
  explicit CudaEvent(cudaStream_t stream) : stream_(stream) { check(cudaEventCreate(&event_), "CUDA event"); }
  ~CudaEvent() override { cudaEventDestroy(event_); }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;
  void record() override { check(cudaEventRecord(event_, stream_), "CUDA event"); }
  cudaEvent_t get() const { return event_; }
  double milliseconds_since(const Event& earlier) const override {
    float ms = 0;
    check(cudaEventElapsedTime(&ms, dynamic_cast<const CudaEvent&>(earlier).event_, event_), "CUDA event");
    return ms;
  }

 private:
  cudaStream_t stream_;
  cudaEvent_t event_ = nullptr;
};

/// A stream that nobody else uses. LibTorch's pool hands out each of its 32 again and again, and what is
/// started in a stream that another thread records would become part of that graph. It doesn't wait for, and
/// isn't waited for by, the default stream. It is kept for the next who wants one, since LibTorch keeps freed
/// memory for the stream that had it.
class OwnStream {
 public:
  explicit OwnStream(c10::DeviceIndex index) : device(index) {
    const std::scoped_lock lock(mutex());
    std::vector<cudaStream_t>& free = kept()[device];
    if (free.empty()) {
      const c10::cuda::CUDAGuard guard(device);
      check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "CUDA stream");
    } else {
      stream = free.back();
      free.pop_back();
    }
  }
  ~OwnStream() {
    cudaStreamCaptureStatus status{};
    if (cudaStreamIsCapturing(stream, &status) != cudaSuccess || status != cudaStreamCaptureStatusNone)
      return;  // of no use to anyone
    const std::scoped_lock lock(mutex());
    kept()[device].push_back(stream);
  }
  OwnStream(const OwnStream&) = delete;
  OwnStream& operator=(const OwnStream&) = delete;

  const c10::DeviceIndex device;
  cudaStream_t stream = nullptr;

 private:
  // As long as the process, whose end may come before that of a backend.
  static std::mutex& mutex() {
    static auto& mutex = *new std::mutex;
    return mutex;
  }
  static std::map<c10::DeviceIndex, std::vector<cudaStream_t>>& kept() {
    static auto& kept = *new std::map<c10::DeviceIndex, std::vector<cudaStream_t>>;
    return kept;
  }
};

/// What LibTorch keeps of a device's graphs for its random generator has no lock of its own.
std::mutex& graphs_mutex() {
  static auto& mutex = *new std::mutex;
  return mutex;
}

class CudaGraph : public Graph {
 public:
  ~CudaGraph() override {
    const std::scoped_lock lock(graphs_mutex());
    try {
      graph.reset();
    } catch (const std::exception&) {
      // A device that is broken tells so where something is asked of it.
    }
  }
  void replay() override { graph.replay(); }
  void begin() {
    const std::scoped_lock lock(graphs_mutex());
    // Thread-local: other elements' threads may allocate and wait meanwhile.
    graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
  }
  void end() {
    const std::scoped_lock lock(graphs_mutex());
    graph.capture_end();
  }

 private:
  at::cuda::CUDAGraph graph;
};

class CudaBackend : public Backend {
 public:
  /// A stream of its own: LibTorch's default stream can't be captured.
  explicit CudaBackend(at::Device device) : CudaBackend(device.index()) {
    run([&] { kernels_ = make_cuda_kernels(stream_.stream()); });
    // cuDNN tries its algorithms once for each size, in the frames before the capture.
    at::globalContext().setBenchmarkCuDNN(true);
  }
  /// For copies.
  explicit CudaBackend(c10::DeviceIndex index)
      : own_(index), stream_(c10::cuda::getStreamFromExternal(own_.stream, index)) {}

  at::Device device() const override { return stream_.device(); }
  const Kernels& kernels() const override {
    if (!kernels_) throw Error(ErrorCode::internal, "a stream for copies has no kernels");
    return *kernels_;
  }
  std::unique_ptr<Backend> sibling() override {
    return std::make_unique<CudaBackend>(stream_.device_index());
  }
  std::unique_ptr<Backend> another() const override { return make_cuda_backend(device()); }
  void run(const std::function<void()>& function) override {
    const c10::cuda::CUDAStreamGuard guard(stream_);
    // Graphs may outlive the thread that recorded them, and with it the thread's own kernels.
    std::optional<BackendKernelsGuard> own;
    if (kernels_) own.emplace(*kernels_);
    function();
  }
  at::Tensor buffer(std::size_t bytes) override {
    at::Tensor result;
    run([&] {
      result = at::zeros({static_cast<std::int64_t>(bytes)},
                         at::TensorOptions().dtype(at::kByte).device(device()));
    });
    return result;
  }
  at::Tensor staging(std::size_t bytes) override {
    ++staging_;
    return at::zeros({static_cast<std::int64_t>(bytes)},
                     at::TensorOptions().dtype(at::kByte).pinned_memory(true));
  }
  void copy(void* to, const void* from, std::size_t bytes) override {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_.stream()), "copy to or from the GPU");
  }
  void wait() override {
    ++waits_;
    check(cudaStreamSynchronize(stream_.stream()), "the GPU failed in a frame");
  }
  void wait(const Event& event) override {
    ++waits_;
    check(cudaEventSynchronize(dynamic_cast<const CudaEvent&>(event).get()), "the GPU failed in a frame");
  }
  void follow(const Event& event) override {
    check(cudaStreamWaitEvent(stream_.stream(), dynamic_cast<const CudaEvent&>(event).get(), 0),
          "CUDA event");
  }
  std::unique_ptr<Event> event() override {
    const c10::cuda::CUDAGuard guard(stream_.device_index());  // an event is of the device that is current
    return std::make_unique<CudaEvent>(stream_.stream());
  }

  std::unique_ptr<Graph> capture(const std::function<void()>& frame) override {
    auto result = std::make_unique<CudaGraph>();
    bool begun = false, ends = false;
    try {
      result->begin();
      begun = true;
      frame();
      ends = true;
      result->end();
      return result;
    } catch (const std::exception&) {
      // What can't be recorded is done step by step from here on; a device that is broken fails there again.
    }
    if (begun && !ends) try {
        ends = true;
        result->end();
        begun = false;
      } catch (const std::exception&) {
      }
    // A capture that LibTorch couldn't end is still what its allocator asks about each allocation.
    if (begun && ends) (void)result.release();
    cudaGetLastError();  // of the capture, not of the device
    return nullptr;
  }

  void forbid_hidden_waits(bool on) override {
    c10::cuda::warning_state().set_sync_debug_mode(on ? c10::cuda::SyncDebugMode::L_ERROR
                                                      : c10::cuda::SyncDebugMode::L_DISABLED);
  }
  DeviceCounts counts() const override {
    const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(stream_.device_index());
    return {static_cast<std::uint64_t>(stats.num_device_alloc) + staging_, waits_};
  }

 private:
  OwnStream own_;
  c10::cuda::CUDAStream stream_;
  std::unique_ptr<Kernels> kernels_;
  std::uint64_t waits_ = 0, staging_ = 0;
};

}  // namespace

const Kernels& current_cuda_kernels() {
  // A stream's id is unique in the process; a thread uses a few.
  thread_local std::map<std::pair<int, cudaStream_t>, std::unique_ptr<Kernels>> kernels;
  const c10::cuda::CUDAStream stream = c10::cuda::getCurrentCUDAStream();
  std::unique_ptr<Kernels>& mine = kernels[{stream.device_index(), stream.stream()}];
  if (!mine) mine = make_cuda_kernels(stream.stream());
  return *mine;
}

std::unique_ptr<Backend> make_cuda_backend(at::Device device) {
  try {
    return std::make_unique<CudaBackend>(device);
  } catch (const Error&) {
    throw;
  } catch (const c10::Error& error) {
    throw Error(ErrorCode::device, device.str() + ": " + error.what_without_backtrace());
  } catch (const std::exception& error) {
    throw Error(ErrorCode::device, device.str() + ": " + error.what());
  }
}

}  // namespace digfusion
