// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The device interface: memory, a stream, events, graphs and the fused kernels, on the CPU or on an NVIDIA
// GPU. Whoever computes frames with it allocates once for each size, starts all of a frame's work on the one
// stream and waits once; counts() shows whether that is so. The CPU's is the twin with which all of this is
// tested: it does at once what the GPU's puts in its stream.
#pragma once

#include <ATen/ATen.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "core/device/kernels.h"

namespace digfusion {

/// A point in the stream.
class Event {
 public:
  virtual ~Event() = default;
  virtual void record() = 0;  ///< after all that was started in its backend's stream
  /// Both recorded, and the stream waited for.
  virtual double milliseconds_since(const Event& earlier) const = 0;
};

/// Work that was recorded once, and is started again as a whole, on the same addresses.
class Graph {
 public:
  virtual ~Graph() = default;
  virtual void replay() = 0;
};

struct DeviceCounts {
  std::uint64_t allocations = 0;  ///< asked of the driver, by this backend and by LibTorch in this process
  std::uint64_t waits = 0;        ///< of this backend
};

/// One stream of work. Not thread-safe. Errors are exceptions: c10::Error, std::runtime_error.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual at::Device device() const = 0;
  virtual const Kernels& kernels() const = 0;
  /// Calls `function` with the backend's device and stream as LibTorch's own. All calls of kernels(), copy(),
  /// wait(), events and networks are made from there.
  virtual void run(const std::function<void()>& function) = 0;
  /// Another stream of the device, for copies beside this one's work: it has no kernels, and its calls may be
  /// made from this one's run(). What one needs of the other is told by events.
  virtual std::unique_ptr<Backend> sibling() = 0;

  /// One of the same device that does all that this one does, beside it.
  virtual std::unique_ptr<Backend> another() const = 0;

  /// Zeros on the device, and memory of the host from which copy() needn't wait. Bytes. The tensor owns it.
  virtual at::Tensor buffer(std::size_t bytes) = 0;
  virtual at::Tensor staging(std::size_t bytes) = 0;
  /// Between device and staging, either way, in the stream.
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;
  /// Until all that was started is done. A failure of the device shows here: the message names it.
  virtual void wait() = 0;

  /// Calls `frame`, which only starts things, operators of LibTorch among them, as one does that is recorded:
  /// the host doesn't look at what they make before it has waited.
  virtual void start(const std::function<void()>& frame) { frame(); }

  virtual std::unique_ptr<Event> event() = 0;
  /// Until what came before that event is done; of this backend or another one of this device. An event that
  /// was never recorded is waited for by nobody.
  virtual void wait(const Event& event) = 0;
  /// What is started here from now on begins after that event.
  virtual void follow(const Event& event) = 0;
  /// Records what `frame` starts, without doing it. Whatever it needs to decide is decided now. Null when
  /// something in it can't be recorded; the stream is usable then, and `frame` is called directly from there
  /// on.
  virtual std::unique_ptr<Graph> capture(const std::function<void()>& frame) = 0;

  virtual DeviceCounts counts() const = 0;
  /// From now on what waits for the device behind wait()'s back is an exception.
  virtual void forbid_hidden_waits(bool) {}
};

std::unique_ptr<Backend> make_cpu_backend();
#ifdef DIGFUSION_KERNELS
/// Throws Error(device).
std::unique_ptr<Backend> make_cuda_backend(at::Device device);
#endif

/// Whether frames on this device can go through a backend in this build.
bool has_backend(at::Device device);
/// Of a device that has one; else Error(device).
std::unique_ptr<Backend> make_backend(at::Device device);

}  // namespace digfusion
