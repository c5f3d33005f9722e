// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One stream of a GPU waits for what was given to another one; nobody else does. Nothing on a CPU.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <optional>

namespace digfusion {

/// A point in the stream that was LibTorch's current one in mark()'s thread. One object is for one device.
class StreamPoint {
 public:
  /// After all that was started there so far.
  void mark(at::Device device) {
    if (device.is_cpu()) return;
    if (!event_) event_.emplace(device.type());
    event_->record(current(device));
  }
  /// What the calling thread starts from now on in its current stream comes after that.
  void before_mine(at::Device device) {
    if (event_) event_->block(current(device));
  }

 private:
  static c10::Stream current(at::Device device) {
    return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
  }
  std::optional<c10::Event> event_;
};

}  // namespace digfusion
