// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/core/device/late_backend.h"

#include <cstring>
#include <stdexcept>
#include <utility>

#include "core/device/kernel_set.h"
#include "core/device/launch_cpu.h"

namespace digfusion {

std::size_t LateStreams::add_stream() {
  streams_.emplace_back();
  return streams_.size() - 1;
}

void LateStreams::start(std::size_t stream, std::function<void()> work) {
  if (is_doing_) {
    work();
    return;
  }
  streams_[stream].queue.push_back({std::move(work), 0, 0});
  ++streams_[stream].started;
  do_some();
}

void LateStreams::follow(std::size_t stream, std::size_t other, std::uint64_t count) {
  streams_[stream].queue.push_back({[] {}, other, count});
  ++streams_[stream].started;
  do_some();
}

void LateStreams::complete(std::size_t stream, std::uint64_t count) {
  Stream& s = streams_[stream];
  while (s.done < count) {
    complete(s.queue.front().other, s.queue.front().count);
    do_next(s);
  }
}

void LateStreams::fail_where_wanted() {
  if (std::exchange(fail_start, false)) throw std::runtime_error("no memory in the test");
}

bool LateStreams::may_go_on(const Stream& stream) const {
  return !stream.queue.empty() && streams_[stream.queue.front().other].done >= stream.queue.front().count;
}

void LateStreams::do_next(Stream& stream) {
  const Work work = std::move(stream.queue.front());
  stream.queue.pop_front();
  is_doing_ = true;
  work.run();
  is_doing_ = false;
  ++stream.done;
}

void LateStreams::do_some() {
  if (order_.seed) {
    for (unsigned i = random_() % 4; i > 0; --i)
      if (Stream& stream = streams_[random_() % streams_.size()]; may_go_on(stream)) do_next(stream);
    return;
  }
  for (bool any = true; any;) {
    any = false;
    for (std::size_t i = 0; i < streams_.size(); ++i)
      while (order_.eager >> i & 1 && may_go_on(streams_[i])) do_next(streams_[i]), any = true;
  }
}

namespace {

/// Each kernel by itself, its body kept by value as a launch does.
struct LateLauncher {
  using Block = CpuBlock;
  LateStreams* streams;
  std::size_t stream;

  template <class Body>
  void map(int width, int height, int depth, const Body& body) const {
    streams->start(stream, [=] { CpuLauncher().map(width, height, depth, body); });
  }
  template <class Term, class Finish>
  void reduce(int items, int count, const Term& term, const Finish& finish) const {
    streams->start(stream, [=] { CpuLauncher().reduce(items, count, term, finish); });
  }
  template <class Body>
  void blocks(int items, const Body& body) const {
    streams->start(stream, [=] { CpuLauncher().blocks(items, body); });
  }
};

class LateEvent : public Event {
 public:
  LateEvent(std::shared_ptr<LateStreams> streams, std::size_t stream)
      : streams_(std::move(streams)), stream_(stream) {}
  void record() override { count_ = streams_->started(stream_); }
  double milliseconds_since(const Event&) const override { return 0; }
  std::size_t stream() const { return stream_; }
  std::uint64_t count() const { return count_; }

 private:
  std::shared_ptr<LateStreams> streams_;
  std::size_t stream_;
  std::uint64_t count_ = 0;
};

class LateGraph : public Graph {
 public:
  LateGraph(std::shared_ptr<LateStreams> streams, std::size_t stream, std::function<void()> frame)
      : streams_(std::move(streams)), stream_(stream), frame_(std::move(frame)) {}
  void replay() override {
    streams_->fail_where_wanted();
    streams_->start(stream_, frame_);
  }

 private:
  std::shared_ptr<LateStreams> streams_;
  std::size_t stream_;
  std::function<void()> frame_;
};

class LateBackend : public Backend {
 public:
  explicit LateBackend(std::shared_ptr<LateStreams> streams)
      : streams_(std::move(streams)),
        stream_(streams_->add_stream()),
        kernels_(LateLauncher{streams_.get(), stream_}) {}

  at::Device device() const override { return at::kCPU; }
  const Kernels& kernels() const override { return kernels_; }
  void run(const std::function<void()>& function) override { function(); }
  std::unique_ptr<Backend> sibling() override { return std::make_unique<LateBackend>(streams_); }
  std::unique_ptr<Backend> another() const override { return std::make_unique<LateBackend>(streams_); }
  at::Tensor buffer(std::size_t bytes) override {
    ++counts_.allocations;
    const at::Tensor memory = at::full({static_cast<std::int64_t>(bytes)}, 0xA5, at::kByte);
    streams_->start(stream_, [memory] { memory.zero_(); });
    return memory;
  }
  at::Tensor staging(std::size_t bytes) override {
    ++counts_.allocations;
    return at::zeros({static_cast<std::int64_t>(bytes)}, at::kByte);
  }
  void copy(void* to, const void* from, std::size_t bytes) override {
    streams_->start(stream_, [=] { std::memcpy(to, from, bytes); });
  }
  void wait() override {
    ++counts_.waits;
    streams_->complete(stream_, streams_->started(stream_));
  }
  void wait(const Event& event) override {
    ++counts_.waits;
    if (std::exchange(streams_->fail_wait, false)) throw std::runtime_error("the device of the test failed");
    const auto& late = dynamic_cast<const LateEvent&>(event);
    streams_->complete(late.stream(), late.count());
  }
  void follow(const Event& event) override {
    const auto& late = dynamic_cast<const LateEvent&>(event);
    streams_->follow(stream_, late.stream(), late.count());
  }
  void start(const std::function<void()>& frame) override {
    streams_->fail_where_wanted();
    streams_->start(stream_, frame);
  }
  std::unique_ptr<Event> event() override { return std::make_unique<LateEvent>(streams_, stream_); }
  std::unique_ptr<Graph> capture(const std::function<void()>& frame) override {
    return std::make_unique<LateGraph>(streams_, stream_, frame);
  }
  DeviceCounts counts() const override { return counts_; }

 private:
  std::shared_ptr<LateStreams> streams_;
  std::size_t stream_;
  KernelSet<LateLauncher> kernels_;
  DeviceCounts counts_;
};

}  // namespace

std::unique_ptr<Backend> make_late_backend(std::shared_ptr<LateStreams> streams) {
  return std::make_unique<LateBackend>(std::move(streams));
}

}  // namespace digfusion
