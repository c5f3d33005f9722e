// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Frames by kernels whose networks are one batch of several streams, against each stream alone.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <barrier>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "core/denoiser/registry.h"
#include "core/fusion/gradient_frame.h"
#include "core/interface/error.h"
#include "tests/core/device/late_backend.h"
#include "tests/core/fusion/streams.h"
#include "tests/core/image/test_image.h"

namespace digfusion {
namespace {

/// What a stream sees.
struct View {
  int width, height, sources;
  const char* noise;
  double grain;  ///< σ of its noise, of 255
};

Parameters parameters_of(const View& view, double wait) {
  Parameters p;
  p.device = Word("cpu");
  p.precision = Precision::float32;
  p.noise = Word(view.noise);
  p.batch_wait = wait;
  return p;
}

/// Gray pictures with a target that moves through a scene.
class Camera {
 public:
  Camera(const View& view, std::uint64_t seed) : view_(view), seed_(seed) {
    for (int k = 0; k <= view.sources; ++k)
      images_.push_back(std::make_unique<TestImage>(layout_named("GRAY8"), view.width, view.height));
  }
  void shoot(int n) {
    for (int k = 0; k < view_.sources; ++k) {
      at::Tensor luma = random_pictures(1, view_.height, view_.width, seed_ + std::uint64_t(3 * k)) * 0.7;
      luma.narrow(2, view_.height / 3, 10)
          .narrow(3, 3 * n % (view_.width - 12), 9)
          .fill_(k == 0 ? -0.2 : 0.9);
      luma = luma + random_tensor(luma.sizes(), seed_ + std::uint64_t(100 * n + k)) * (view_.grain / 127.5);
      const std::vector<double> values = numbers(luma.clamp(-1, 1));
      for (int i = 0; i < view_.width * view_.height; ++i)
        images_[std::size_t(k)]->set(0, i % view_.width, i / view_.width,
                                     int(std::lround((values[std::size_t(i)] + 1) * 127.5)));
    }
  }
  std::vector<Image> sources() const {
    std::vector<Image> result;
    for (int k = 0; k < view_.sources; ++k) result.push_back(images_[std::size_t(k)]->image);
    return result;
  }
  TestImage& output() { return *images_.back(); }

 private:
  View view_;
  std::uint64_t seed_;
  std::vector<std::unique_ptr<TestImage>> images_;
};

GradientFrame frame_of(const std::shared_ptr<const GradientStudent>& student, int batch_streams,
                       int in_flight = 1) {
  return GradientFrame(make_cpu_backend(), student, true, in_flight, batch_streams);
}

/// But for the rounding of batches, at which a pixel at the edge of what moves may be told otherwise.
void expect_same(const std::vector<std::uint8_t>& found, const std::vector<std::uint8_t>& expected,
                 int frame) {
  ASSERT_EQ(found.size(), expected.size());
  int apart = 0;
  for (std::size_t i = 0; i < found.size(); ++i)
    apart = std::max(apart, std::abs(int(found[i]) - int(expected[i])));
  EXPECT_LE(apart, 1) << "frame " << frame;
}

TEST(GradientBatch, StreamsTogetherFuseAsEachAlone) {
  const auto student = open_gradient_student("", at::kCPU, at::kFloat);
  constexpr std::array<View, 5> views = {{{96, 64, 2, "auto", 0},
                                          {96, 64, 2, "10,5+4", 8},
                                          {96, 64, 3, "0,12,0", 4},
                                          {96, 64, 2, "auto", 18},
                                          {64, 48, 2, "auto", 0}}};
  std::atomic<std::uint64_t> streams = 0, batches = 0;
  in_threads(int(views.size()), [&](int s) {
    const View& view = views[std::size_t(s)];
    const Parameters p = parameters_of(view, 50);
    GradientFrame alone = frame_of(student, 1), together = frame_of(student, 3);
    Camera camera(view, std::uint64_t(1000 * s + 1));
    for (int n = 0; n < 14; ++n) {
      camera.shoot(n);
      alone.fuse(camera.sources(), {}, {}, camera.output().image, p);
      const auto expected = camera.output().bytes();
      together.fuse(camera.sources(), {}, {}, camera.output().image, p);
      expect_same(camera.output().bytes(), expected, n);
      EXPECT_LT((together.fused() - alone.fused()).square().mean().sqrt().item<double>() * 127.5, 0.02);
    }
    EXPECT_EQ(together.counts().frames, 14u);
    EXPECT_GE(together.counts().replayed, 5u);
    streams += together.batch_counts().streams;
    batches += together.batch_counts().batches;
  });
  EXPECT_GT(streams, batches);  // some met
}

TEST(GradientBatch, TwoFramesInFlightAreThoseOneByOne) {
  const auto student = open_gradient_student("", at::kCPU, at::kFloat);
  const View view{96, 64, 2, "8,0", 8};
  in_threads(2, [&](int s) {
    const Parameters p = parameters_of(view, 50);
    GradientFrame one = frame_of(student, 2), two = frame_of(student, 2, 2);
    std::array<Camera, 2> cameras{Camera(view, std::uint64_t(s)), Camera(view, std::uint64_t(s))};
    std::vector<std::vector<std::uint8_t>> expected, found;
    for (int n = 0; n < 9; ++n) {
      Camera& camera = cameras[std::size_t(n) % 2];
      camera.shoot(n);
      one.fuse(camera.sources(), {}, {}, camera.output().image, p);
      expected.push_back(camera.output().bytes());
    }
    for (int n = 0; n < 10; ++n) {
      if (n < 9) {
        Camera& camera = cameras[std::size_t(n) % 2];
        camera.shoot(n);
        two.begin(camera.sources(), {}, {}, camera.output().image, p);
      }
      if (n == 0) continue;
      two.finish();
      expect_same(cameras[std::size_t(n - 1) % 2].output().bytes(), expected[std::size_t(n - 1)], n - 1);
    }
  });
}

TEST(GradientBatch, AllocatesNothingAndEachStreamWaitsOnceAFrame) {
  const auto student = open_gradient_student("", at::kCPU, at::kFloat);
  constexpr int streams = 3, warm = 8, frames = 30;
  std::barrier together(streams);
  in_threads(streams, [&](int s) {
    const View view{64, 48, 2, "auto", 0};
    const Parameters p = parameters_of(view, 10000);
    GradientFrame frame = frame_of(student, streams);
    Camera camera(view, std::uint64_t(s + 1));
    camera.shoot(0);
    frame.fuse(camera.sources(), {}, {}, camera.output().image, parameters_of(view, 20));
    together.arrive_and_wait();  // all are there
    meet(
        together,
        [&] { frame.fuse(camera.sources(), {}, {}, camera.output().image, parameters_of(view, 20)); },
        [&] { return frame.batch_counts(); });
    DeviceCounts before;
    NetworkBatchCounts batch_before;
    for (int n = 0; n < warm + frames; ++n) {
      if (n == warm) {
        before = frame.backend().counts();
        batch_before = frame.batch_counts();
        together.arrive_and_wait();
      }
      frame.fuse(camera.sources(), {}, {}, camera.output().image, p);
      if (n + 1 == warm) together.arrive_and_wait();
    }
    together.arrive_and_wait();
    EXPECT_EQ(frame.backend().counts().allocations, before.allocations);
    EXPECT_EQ(frame.backend().counts().waits, before.waits + frames);
    EXPECT_GE(frame.counts().replayed, std::uint64_t(frames));
    const NetworkBatchCounts batch = frame.batch_counts();
    EXPECT_EQ(batch.streams - batch_before.streams, std::uint64_t(streams * frames));
    EXPECT_EQ(batch.batches - batch_before.batches, std::uint64_t(frames));
    EXPECT_EQ(batch.replayed - batch_before.replayed, std::uint64_t(frames));
    EXPECT_EQ(batch.device.allocations, batch_before.device.allocations);
    EXPECT_EQ(batch.device.waits, batch_before.device.waits);
    together.arrive_and_wait();
  });
}

TEST(GradientBatch, AnErrorInABatchLeavesThePastOfItsStreams) {
  const auto student = open_gradient_student("", at::kCPU, at::kFloat);
  constexpr int streams = 2;
  const View view{96, 64, 2, "auto", 0};
  std::barrier together(streams);
  std::unique_ptr<ScarceMemory> memory;
  std::atomic<int> failures = 0;
  in_threads(streams, [&](int s) {
    const Parameters p = parameters_of(view, 200);
    GradientFrame troubled = frame_of(student, streams), untroubled = frame_of(student, 1);
    Camera camera(view, std::uint64_t(s + 1));
    for (int n = 0; n < 6; ++n) {
      camera.shoot(n);
      untroubled.fuse(camera.sources(), {}, {}, camera.output().image, p);
      const auto expected = camera.output().bytes();
      troubled.fuse(camera.sources(), {}, {}, camera.output().image, p);
      expect_same(camera.output().bytes(), expected, n);
      const std::vector<Image> sources = camera.sources();
      together.arrive_and_wait();
      if (s == 0) memory = std::make_unique<ScarceMemory>(2000);
      together.arrive_and_wait();
      try {
        troubled.fuse(sources, {}, {}, camera.output().image, p);
      } catch (const Error& error) {
        failures += error.code() == ErrorCode::out_of_memory;
      }
      together.arrive_and_wait();
      if (s == 0) memory.reset();
      together.arrive_and_wait();
    }
  });
  EXPECT_EQ(failures, 6 * streams);
}

TEST(GradientBatch, WhoLeavesIsntMissed) {
  const auto student = open_gradient_student("", at::kCPU, at::kFloat);
  const View view{64, 48, 2, "auto", 0};
  std::barrier together(2);
  const auto start = std::chrono::steady_clock::now();
  in_threads(2, [&](int s) {
    GradientFrame frame = frame_of(student, 2);
    Camera camera(view, std::uint64_t(s + 1));
    const auto fuse = [&](int n, double wait) {
      camera.shoot(n);
      frame.fuse(camera.sources(), {}, {}, camera.output().image, parameters_of(view, wait));
    };
    for (int n = 0; n < 4; ++n) fuse(n, 50);
    together.arrive_and_wait();
    if (s == 0) frame.release();
    together.arrive_and_wait();
    if (s == 1)
      for (int n = 4; n < 8; ++n) fuse(n, 120e3);
    together.arrive_and_wait();
    fuse(8, 50);  // both again
    together.arrive_and_wait();
  });
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

// What a stream and the batch do to each other's memory, in orders that events allow.
TEST(GradientBatch, OnALateDeviceFramesAreThoseOfOneThatIsnt) {
  const c10::InferenceMode inference;
  const auto student = random_student();
  constexpr int frames = 12;
  const std::array<View, 2> views = {{{64, 48, 2, "8,0", 8}, {64, 48, 3, "0,0,9", 6}}};
  // Two streams by turns, each with two frames in flight, whose batches go one by one.
  const auto run = [&](const std::function<std::unique_ptr<Backend>()>& make) {
    std::array<std::unique_ptr<GradientFrame>, 2> streams;
    for (auto& stream : streams) stream = std::make_unique<GradientFrame>(make(), student, true, 2, 2);
    std::vector<std::unique_ptr<Camera>> shots;
    std::vector<std::vector<std::uint8_t>> bytes;
    for (int n = 0; n <= frames; ++n)
      for (std::size_t s = 0; s < 2; ++s) {
        if (n < frames) {
          shots.push_back(std::make_unique<Camera>(views[s], s + 1));
          shots.back()->shoot(n);
          streams[s]->begin(shots.back()->sources(), {}, {}, shots.back()->output().image,
                            parameters_of(views[s], 0));
        }
        if (n == 0) continue;
        streams[s]->finish();
        bytes.push_back(shots[std::size_t(2 * (n - 1)) + s]->output().bytes());
      }
    EXPECT_GT(streams[0]->batch_counts().replayed, 0u);
    return bytes;
  };
  const auto expected = run([] { return make_cpu_backend(); });
  // Streams: 1 and 8 compute, 2, 4, 16, 32 cross, 64 has the batches; the order in which they are made.
  for (const unsigned eager : {0u, 1u, 8u, 9u, 64u, 65u, 127u - 64u, 127u}) {
    const auto late = std::make_shared<LateStreams>(LateOrder{.eager = eager, .seed = {}});
    EXPECT_EQ(run([&] { return make_late_backend(late); }), expected) << "eager " << eager;
  }
  for (unsigned seed = 0; seed < 6; ++seed) {
    const auto late = std::make_shared<LateStreams>(LateOrder{.eager = 0, .seed = seed});
    EXPECT_EQ(run([&] { return make_late_backend(late); }), expected) << "seed " << seed;
  }
}

}  // namespace
}  // namespace digfusion
