// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A CPU's backend for tests to change in one thing.
#pragma once

#include <functional>
#include <memory>

#include "core/device/backend.h"

namespace digfusion {

class ForwardingBackend : public Backend {
 public:
  at::Device device() const override { return inner_->device(); }
  const Kernels& kernels() const override { return inner_->kernels(); }
  void run(const std::function<void()>& function) override { inner_->run(function); }
  std::unique_ptr<Backend> sibling() override { return inner_->sibling(); }
  std::unique_ptr<Backend> another() const override { return inner_->another(); }
  at::Tensor buffer(std::size_t bytes) override { return inner_->buffer(bytes); }
  at::Tensor staging(std::size_t bytes) override { return inner_->staging(bytes); }
  void copy(void* to, const void* from, std::size_t bytes) override { inner_->copy(to, from, bytes); }
  void wait() override { inner_->wait(); }
  void wait(const Event& event) override { inner_->wait(event); }
  void follow(const Event& event) override { inner_->follow(event); }
  std::unique_ptr<Event> event() override { return inner_->event(); }
  std::unique_ptr<Graph> capture(const std::function<void()>& frame) override {
    return inner_->capture(frame);
  }
  DeviceCounts counts() const override { return inner_->counts(); }

 private:
  std::unique_ptr<Backend> inner_ = make_cpu_backend();
};

}  // namespace digfusion
