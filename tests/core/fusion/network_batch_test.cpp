// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Batches of several streams' networks on the CPU's backend, whose graphs are the same calls again.
#include "core/fusion/network_batch.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/interface/error.h"
#include "tests/core/device/forwarding_backend.h"
#include "tests/core/fusion/streams.h"

namespace digfusion {
namespace {

constexpr double patient = 2000;  // milliseconds

struct Pictures {
  at::Tensor features, told;
  Pictures(const GradientStudent& student, std::int64_t count, std::int64_t height, std::int64_t width,
           std::uint64_t seed)
      : features(
            at::pixel_unshuffle(random_pictures(count, height, width, seed) * 2, student.config().unshuffle)
                .contiguous(at::MemoryFormat::ChannelsLast)),
        told(random_tensor({count, 4}, seed + 7).abs()) {}
};

/// A stream of one size and its room for results.
class Stream {
 public:
  Stream(const std::shared_ptr<const GradientStudent>& student, int streams)
      : student_(student), backend_(make_cpu_backend()), batch(*backend_, student, streams) {}

  void expect_as_alone(const Pictures& p, const std::vector<std::int64_t>& noisy, double milliseconds) {
    if (!room_.side.defined() || room_.side.size(0) != p.features.size(0) ||
        room_.side.size(3) != p.features.size(3) / 2 || room_.side.size(2) != p.features.size(2) / 2)
      room_ = batch.room_for(p.features);
    room_.side.fill_(77);
    room_.fine.fill_(77);
    batch.evaluate(p.features, p.told, noisy, room_, milliseconds);
    const UNetOutputs alone = student_->evaluate(p.features, p.told, noisy);
    expect_near(room_.side, alone.side);
    const auto rows = std::int64_t(noisy.size());
    if (rows > 0) expect_near(room_.fine.narrow(0, 0, rows), alone.fine);
    EXPECT_TRUE(room_.fine.narrow(0, rows, room_.fine.size(0) - rows).eq(77).all().item<bool>());
  }

 private:
  std::shared_ptr<const GradientStudent> student_;
  std::unique_ptr<Backend> backend_;
  UNetOutputs room_;

 public:
  NetworkBatch batch;
};

/// Some of 0..count-1, rising.
std::vector<std::int64_t> some_of(std::int64_t count, unsigned bits) {
  std::vector<std::int64_t> result;
  for (std::int64_t k = 0; k < count; ++k)
    if (bits >> k & 1) result.push_back(k);
  return result;
}

TEST(NetworkBatch, CopiesBlocksAsTheyAre) {
  const std::unique_ptr<Kernels> kernels = make_cpu_kernels();
  std::mt19937 random(3);
  for (const bool aligned : {true, false}) {
    std::vector<std::uint8_t> from(1 << 16), to(1 << 16, 0);
    for (std::uint8_t& byte : from) byte = std::uint8_t(random());
    std::vector<std::uint8_t> expected = to;
    const auto base = [](std::vector<std::uint8_t>& v) {
      return v.data() + (16 - reinterpret_cast<std::uintptr_t>(v.data()) % 16) % 16;
    };
    BlockCopies copies{};
    std::size_t place = 0;
    for (int i = 0; i < BlockCopies::most; ++i) {
      const std::size_t bytes = aligned ? 16 * (random() % 40) : random() % 600,
                        source = aligned ? 16 * (random() % 1000) : random() % 16000;
      copies.copy[copies.count++] = {base(from) + source, base(to) + place, std::int64_t(bytes)};
      std::memcpy(base(expected) + place, base(from) + source, bytes);
      place += bytes + (aligned ? 16 : 3);
    }
    EXPECT_EQ(unit_of(copies), aligned ? 16 : 1);
    kernels->copy_blocks(copies);
    // The two may begin at other places of their memory.
    EXPECT_EQ(std::memcmp(base(to), base(expected), place), 0);
  }
}

TEST(NetworkBatch, GivesEachStreamWhatItWouldHaveAlone) {
  const auto student = random_student();
  constexpr int streams = 6, frames = 30;
  in_threads(streams, [&](int s) {
    Stream stream(student, 4);
    for (int frame = 0; frame < frames; ++frame) {
      // Two sizes, some with three sources; noise comes and goes.
      const std::int64_t count = s % 3 == 1 ? 3 : 2;
      const Pictures pictures(*student, count, s == 5 ? 24 : 16, 32, std::uint64_t(s * 100 + frame));
      const unsigned noise = s == 0 ? 0u : s == 1 ? 2u : unsigned(frame / 5 + s);
      stream.expect_as_alone(pictures, some_of(count, noise), 20);
    }
  });
}

TEST(NetworkBatch, WhatComesAgainIsAGraph) {
  const auto student = random_student();
  constexpr int streams = 4, frames = 12;
  std::barrier together(streams);
  std::array<NetworkBatchCounts, 2> counts;
  in_threads(streams, [&](int s) {
    Stream stream(student, streams);
    const auto fuse = [&](int frame, int noisy, double milliseconds = patient) {
      const Pictures pictures(*student, 2, 16, 32, std::uint64_t(s * 100 + frame));
      stream.expect_as_alone(pictures, some_of(2, s < noisy ? 2u : 0u), milliseconds);
    };
    fuse(0, 0, 20);
    together.arrive_and_wait();  // all are there
    meet(
        together, [&] { fuse(0, 0, 20); }, [&] { return stream.batch.counts(); });
    for (int frame = 0; frame < 3; ++frame) fuse(frame, 0);
    together.arrive_and_wait();
    if (s == 0) counts[0] = stream.batch.counts();
    together.arrive_and_wait();
    for (int frame = 0; frame < frames; ++frame) fuse(frame, 0);
    together.arrive_and_wait();
    if (s == 0) counts[1] = stream.batch.counts();
    together.arrive_and_wait();
    // Ten others of four streams: more than are kept. Then the first again.
    for (int frame = 0; frame < 10; ++frame) fuse(frame, 1 + frame % 4);
    fuse(1, 0);
  });
  EXPECT_EQ(counts[1].batches - counts[0].batches, std::uint64_t(frames));
  EXPECT_EQ(counts[1].streams - counts[0].streams, std::uint64_t(frames * streams));
  EXPECT_EQ(counts[1].replayed - counts[0].replayed, std::uint64_t(frames));
  EXPECT_EQ(counts[1].device.allocations, counts[0].device.allocations);
  EXPECT_EQ(counts[1].device.waits, counts[0].device.waits);
}

TEST(NetworkBatch, BatchesOfNearlyOneSizeAreOneGraph) {
  const c10::InferenceMode inference;
  const auto student = random_student();
  Stream stream(student, 2);
  const auto replayed = [&](std::int64_t count, unsigned noise) {
    const std::uint64_t before = stream.batch.counts().replayed;
    stream.expect_as_alone(Pictures(*student, count, 16, 16, std::uint64_t(count)), some_of(count, noise),
                           patient);
    return stream.batch.counts().replayed > before;
  };
  for (int n = 0; n < 2; ++n) EXPECT_FALSE(replayed(20, 0xfff));
  for (const std::int64_t count : {17, 18, 19, 20}) {
    EXPECT_TRUE(replayed(count, 0xfff));
    EXPECT_TRUE(replayed(count, 0xffe));
  }
  EXPECT_FALSE(replayed(21, 0xfff));
  EXPECT_FALSE(replayed(20, 0x1fff));
  EXPECT_FALSE(replayed(9, 0x1ff));  // all of ten
}

TEST(NetworkBatch, WhoHasLeftIsntWaitedFor) {
  const c10::InferenceMode inference;
  const auto student = random_student();
  const Pictures pictures(*student, 2, 16, 16, 1);
  const auto one = std::make_unique<Stream>(student, 2);
  Stream other(student, 2);
  in_threads(2, [&](int s) { (s == 0 ? *one : other).expect_as_alone(pictures, {}, 50); });
  const auto start = std::chrono::steady_clock::now();
  one->batch.leave();
  for (int frame = 0; frame < 3; ++frame) other.expect_as_alone(pictures, {1}, 120e3);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

/// A CPU's backend that tells what the batch does with it.
class Watched final : public ForwardingBackend {
 public:
  std::string log;

  void wait() override { log += "wait "; }
  void wait(const Event&) override { log += "wait "; }
  void follow(const Event&) override { log += "follow "; }
  std::unique_ptr<Event> event() override { return std::make_unique<Mark>(log); }

 private:
  struct Mark : Event {
    std::string& log;
    explicit Mark(std::string& to) : log(to) {}
    void record() override { log += "record "; }
    double milliseconds_since(const Event&) const override { return 0; }
  };
};

TEST(NetworkBatch, AStreamFollowsTheBatchEvenWhereThatFails) {
  const auto student = random_student();
  Watched backend;
  NetworkBatch batch(backend, student, 2);
  const Pictures pictures(*student, 2, 128, 128, 1);
  const UNetOutputs room = batch.room_for(pictures.features);
  batch.evaluate(pictures.features, pictures.told, {}, room, patient);
  EXPECT_EQ(backend.log, "record follow ");
  backend.log.clear();
  const ScarceMemory memory(1000);
  EXPECT_THROW(batch.evaluate(pictures.features, pictures.told, {}, room, patient), Error);
  EXPECT_EQ(backend.log, "record follow ");
}

TEST(NetworkBatch, BatchesBeyondTheMemoryAreHalved) {
  const auto student = random_student();
  constexpr int streams = 4;
  const Pictures pictures(*student, 2, 128, 128, 1);
  const at::Tensor expected = student->evaluate(pictures.features, pictures.told, {}).side;
  std::barrier together(streams);
  std::atomic<int> good = 0, all = 0;
  std::atomic<bool> halved = false;
  ScarceMemory memory(pictures.features.nbytes() * 3);  // one stream's convolutions pass, two streams' don't
  in_threads(streams, [&](int) {
    const std::unique_ptr<Backend> backend = make_cpu_backend();
    NetworkBatch batch(*backend, student, streams);
    const UNetOutputs room = batch.room_for(pictures.features);
    together.arrive_and_wait();
    for (int frame = 0; frame < 6; ++frame) {
      if (frame == 1) together.arrive_and_wait();
      ++all;
      batch.evaluate(pictures.features, pictures.told, {}, room, frame == 0 ? 20 : patient);
      good += at::allclose(room.side, expected, 1e-5, 1e-7);
    }
    const NetworkBatchCounts counts = batch.counts();
    if (counts.batches == counts.streams) halved = true;
  });
  EXPECT_EQ(good, all);
  EXPECT_GT(memory.refused, 0);
  EXPECT_TRUE(halved);
}

TEST(NetworkBatch, AnErrorReachesEveryStreamOfItsBatchAndNoOther) {
  const auto student = random_student();
  const Pictures large(*student, 2, 128, 128, 1), small(*student, 2, 16, 16, 1);
  std::atomic<int> failures = 0;
  std::barrier together(5);
  std::unique_ptr<ScarceMemory> memory;
  in_threads(5, [&](int s) {
    Stream stream(student, 4);
    const std::unique_ptr<Backend> backend = make_cpu_backend();
    NetworkBatch batch(*backend, student, 4);
    const UNetOutputs room = batch.room_for(large.features);
    together.arrive_and_wait();
    if (s == 0) memory = std::make_unique<ScarceMemory>(large.features.nbytes() * 3 / 2);
    together.arrive_and_wait();
    for (int frame = 0; frame < 3; ++frame)
      if (s >= 3)
        stream.expect_as_alone(small, {0}, 50);
      else
        try {
          batch.evaluate(large.features, large.told, {}, room, 200);
        } catch (const Error& error) {
          failures += error.code() == ErrorCode::out_of_memory &&
                      std::string(error.what()).find("64×64") != std::string::npos;
        }
    together.arrive_and_wait();
    if (s == 0) memory.reset();
    together.arrive_and_wait();
    if (s < 3) stream.expect_as_alone(large, {0, 1}, 50);  // it is over
  });
  EXPECT_EQ(failures, 9);
}

}  // namespace
}  // namespace digfusion
