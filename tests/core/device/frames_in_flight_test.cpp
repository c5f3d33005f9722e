// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Two frames in flight on a device that is late, in many orders, beside the same frames one by one.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/denoiser/registry.h"
#include "core/fusion/gradient_frame.h"
#include "core/image/luma.h"
#include "core/interface/error.h"
#include "tests/core/device/frame_parameters.h"
#include "tests/core/device/late_backend.h"
#include "tests/core/image/test_image.h"
#include "tests/core/tensors.h"

namespace digfusion {
namespace {

/// Pictures of a frame, and what is wrong with it.
struct Frame {
  int width = 64, height = 48, seed = 0;
  double grain = 0;        ///< σ of the infrared picture's noise, of 255
  bool on_device = false;  ///< pictures that are read, and written, in place
  bool ready = false;      ///< the infrared picture is brought as numbers
  bool holes = false;      ///< one of these isn't finite
};

/// Fuses frames and keeps what came out; empty where finish() failed.
class Runner {
 public:
  Runner(Parameters p, std::unique_ptr<Backend> backend, bool graphs = true, int in_flight = 2)
      : frame(
            std::move(backend),
            p.evidence == EvidenceSource::student ? open_gradient_student("", at::kCPU, at::kFloat) : nullptr,
            graphs, in_flight),
        parameters_(p) {}

  void begin(const Frame& f) {
    auto pictures = std::make_unique<Pictures>(f);
    const auto smooth = [&](std::uint64_t seed) {
      return at::upsample_bilinear2d(random_tensor({1, 1, 6, 6}, seed) * 0.4, {f.height, f.width}, false);
    };
    const auto put = [&](const at::Tensor& luma, TestImage& picture) {
      const std::vector<double> values = numbers(luma.clamp(-1, 1));
      for (int y = 0; y < f.height; ++y)
        for (int x = 0; x < f.width; ++x)
          picture.set(0, x, y, int(std::lround(127.5 * (1 + values[std::size_t(y * f.width + x)]))));
    };
    pictures->visible.fill(unsigned(f.seed));
    put(smooth(std::uint64_t(f.seed / 4)), pictures->visible);
    at::Tensor luma =
        smooth(std::uint64_t(f.seed % 3 + 50)) +
        random_tensor({1, 1, f.height, f.width}, std::uint64_t(1000 + f.seed)) * (f.grain / 127.5);
    put(luma, pictures->infrared);
    std::vector<at::Tensor> ready;
    if (f.holes)
      luma = luma.index_put({at::tensor(0), at::tensor(0), at::tensor(3), at::tensor(3)}, at::tensor(NAN));
    if (f.ready) ready = {at::Tensor(), luma};
    frame.begin(std::array{pictures->visible.image, pictures->infrared.image}, ready, {},
                pictures->output.image, parameters_);
    if (!f.on_device) {  // already copied
      pictures->visible.fill(99);
      pictures->infrared.fill(98);
    }
    flying_.push_back(std::move(pictures));
  }
  void finish() {
    const std::unique_ptr<Pictures> pictures = std::move(flying_.front());
    flying_.erase(flying_.begin());
    results.emplace_back();
    frame.finish();
    EXPECT_TRUE(pictures->output.is_intact_around_rows());
    results.back() = pictures->output.bytes();
  }
  /// `overlap`: the next frame is begun before one is finished.
  void fuse_all(const std::vector<Frame>& frames, bool overlap) {
    const auto finish_one = [&] {
      try {
        finish();
      } catch (const Error&) {
      }
    };
    for (const Frame& f : frames) {
      begin(f);
      while (flying_.size() > (overlap ? 1u : 0u)) finish_one();
    }
    while (!flying_.empty()) finish_one();
  }

  GradientFrame frame;
  std::vector<std::vector<std::uint8_t>> results;

 private:
  struct Pictures {
    explicit Pictures(const Frame& f)
        : visible(layout_named("NV12"), f.width, f.height),
          infrared(layout_named("GRAY8"), f.width, f.height),
          output(layout_named("NV12"), f.width, f.height) {
      if (f.on_device)
        for (TestImage* picture : {&visible, &infrared, &output}) picture->image.memory = Memory::cuda;
    }
    TestImage visible, infrared, output;
  };
  Parameters parameters_;
  std::vector<std::unique_ptr<Pictures>> flying_;
};

std::vector<Frame> where_noise_comes_and_goes() {
  std::vector<Frame> frames(14);
  for (int n = 0; n < int(frames.size()); ++n) {
    frames[std::size_t(n)].seed = n;
    frames[std::size_t(n)].grain = n == 3 || n == 4 || n >= 9 ? 20 : 0;
    frames[std::size_t(n)].width = n < 6 ? 64 : 80;
  }
  return frames;
}

std::vector<LateOrder> all_orders() {
  std::vector<LateOrder> orders;
  for (unsigned eager = 0; eager < 8; ++eager) orders.push_back({eager, {}});
  for (unsigned seed = 0; seed < 4; ++seed) orders.push_back({0, seed});
  return orders;
}

class FramesInFlight : public testing::TestWithParam<LateOrder> {
 protected:
  void expect_as_one_by_one(const Parameters& p, const std::vector<Frame>& frames) {
    Runner one_by_one(p, make_cpu_backend());
    one_by_one.fuse_all(frames, false);
    for (const bool graphs : {true, false}) {
      Runner overlapped(p, make_late_backend(std::make_shared<LateStreams>(GetParam())), graphs);
      overlapped.fuse_all(frames, true);
      ASSERT_EQ(overlapped.results.size(), frames.size());
      for (std::size_t n = 0; n < frames.size(); ++n) {
        EXPECT_EQ(overlapped.results[n], one_by_one.results[n]) << "frame " << n;
        EXPECT_EQ(overlapped.results[n].empty(), frames[n].holes) << "frame " << n;
      }
      EXPECT_EQ(overlapped.frame.counts().replayed > 0, graphs);
    }
  }
};

TEST_P(FramesInFlight, AreThoseOneByOne) {
  std::vector<Frame> frames(10);
  for (int n = 0; n < 10; ++n) frames[std::size_t(n)].seed = n;
  expect_as_one_by_one(parameters_of(EvidenceSource::gradient), frames);
}

TEST_P(FramesInFlight, AreThoseOneByOneInOtherSizesAndMemory) {
  std::vector<Frame> frames(24);
  for (int n = 0; n < int(frames.size()); ++n) {
    Frame& f = frames[std::size_t(n)];
    f.seed = n;
    constexpr int widths[] = {64, 64, 64, 48, 64, 80, 80, 96, 96, 96, 112, 64};  // five sizes, three are kept
    f.width = widths[n % 12];
    f.on_device = n % 12 == 8 || n % 12 == 9;
  }
  expect_as_one_by_one(parameters_of(EvidenceSource::gradient), frames);
}

TEST_P(FramesInFlight, AreThoseOneByOneWhereSomeFail) {
  std::vector<Frame> frames(16);
  for (int n = 0; n < int(frames.size()); ++n) {
    frames[std::size_t(n)].seed = n;
    frames[std::size_t(n)].width = n < 13 ? 64 : 80;
    frames[std::size_t(n)].ready = true;
  }
  for (const std::size_t n : {0, 4, 7, 8, 13, 14}) frames[n].holes = true;  // first ones of a size as well
  expect_as_one_by_one(parameters_of(EvidenceSource::gradient), frames);
}

/// Noise comes and goes, and whether it is taken away with it.
TEST_P(FramesInFlight, AreThoseOneByOneWhereNoiseComesAndGoes) {
  expect_as_one_by_one(parameters_of(EvidenceSource::student), where_noise_comes_and_goes());
}

TEST_P(FramesInFlight, OneThatCouldNotBeginLeavesTheOtherAlone) {
  const Parameters p = parameters_of(EvidenceSource::gradient);
  const auto streams = std::make_shared<LateStreams>(GetParam());
  Runner tested(p, make_late_backend(streams)), untroubled(p, make_cpu_backend());
  for (int n = 0; n < 8; ++n) {
    tested.begin({.seed = n});
    untroubled.begin({.seed = n});
    streams->fail_start = true;
    EXPECT_THROW(tested.begin({.seed = n + 100}), std::runtime_error);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(streams->done(i), streams->started(i));
    untroubled.finish();
    if (n % 2 == 0) {
      tested.begin({.seed = ++n});
      untroubled.begin({.seed = n});
      untroubled.finish();
      EXPECT_THROW(tested.begin({.seed = n + 100}), Error) << "a third";
      tested.finish();
    }
    tested.finish();
  }
  EXPECT_EQ(tested.results, untroubled.results);
}

TEST_P(FramesInFlight, AllFailWithTheDeviceAndTheStreamBeginsAnew) {
  const Parameters p = parameters_of(EvidenceSource::gradient);
  const auto streams = std::make_shared<LateStreams>(GetParam());
  Runner tested(p, make_late_backend(streams)), fresh(p, make_cpu_backend());
  tested.fuse_all(std::vector<Frame>(3), true);
  tested.begin({.seed = 1});
  tested.begin({.seed = 2});
  streams->fail_wait = true;
  EXPECT_THROW(tested.finish(), std::runtime_error);
  EXPECT_THROW(tested.finish(), Error);
  EXPECT_THROW(tested.frame.finish(), Error) << "none is begun";
  tested.results.clear();
  const std::vector<Frame> frames{{.seed = 5}, {.seed = 6}, {.seed = 7}};
  tested.fuse_all(frames, true);
  fresh.fuse_all(frames, false);
  EXPECT_EQ(tested.results, fresh.results);
}

TEST_P(FramesInFlight, AllocateNothingAndWaitOnceEach) {
  Runner runner(parameters_of(EvidenceSource::student),
                make_late_backend(std::make_shared<LateStreams>(GetParam())));
  runner.fuse_all(std::vector<Frame>(5), true);
  const DeviceCounts before = runner.frame.backend().counts();
  runner.fuse_all(std::vector<Frame>(10), true);
  EXPECT_EQ(runner.frame.backend().counts().allocations, before.allocations);
  EXPECT_EQ(runner.frame.backend().counts().waits, before.waits + 10);
}

TEST_P(FramesInFlight, AreWaitedForWhenTheStreamGoes) {
  const auto streams = std::make_shared<LateStreams>(GetParam());
  std::array<std::uint64_t, 3> started{};
  {
    Runner runner(parameters_of(EvidenceSource::gradient), make_late_backend(streams));
    runner.begin({.seed = 1});
    runner.begin({.seed = 2});
    for (std::size_t i = 0; i < 3; ++i) started[i] = streams->started(i);
  }
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(streams->done(i), started[i]);
}

INSTANTIATE_TEST_SUITE_P(Late, FramesInFlight, testing::ValuesIn(all_orders()), [](const auto& info) {
  return info.param.seed ? "Seed" + std::to_string(*info.param.seed)
                         : "Eager" + std::to_string(info.param.eager);
});

/// Back in a size that is kept, with a first picture that fails: the next one begins anew all the same,
/// though the scene is the one of then.
TEST(FramesAfterARestart, HaveNoPastThatIsOfAnotherTime) {
  for (const EvidenceSource evidence : {EvidenceSource::gradient, EvidenceSource::student})
    for (const bool overlap : {false, true}) {
      Runner back(parameters_of(evidence), make_cpu_backend()),
          fresh(parameters_of(evidence), make_cpu_backend());
      const Frame noisy{.grain = 20, .ready = true}, other{.width = 80, .ready = true};
      const Frame next{.seed = 3, .grain = 15, .ready = true};
      Frame failing = next;
      failing.holes = true;
      back.fuse_all({noisy, noisy, other}, overlap);
      back.results.clear();
      back.fuse_all({failing, next, next}, overlap);
      fresh.fuse_all({next, next}, false);
      EXPECT_EQ(std::vector(back.results.begin() + 1, back.results.end()), fresh.results);
    }
}

/// With one in flight the frame before decides whether noise is taken away, with two the one before that.
TEST(NoiseWithFramesInFlight, IsTakenAwayAFrameLater) {
  const Parameters p = parameters_of(EvidenceSource::student);
  const std::vector<Frame> frames = where_noise_comes_and_goes();
  Runner one(p, make_cpu_backend(), true, 1), two(p, make_cpu_backend(), true, 2);
  one.fuse_all(frames, false);
  two.fuse_all(frames, false);
  std::vector<std::size_t> apart;
  for (std::size_t n = 0; n < frames.size(); ++n)
    if (one.results[n] != two.results[n]) apart.push_back(n);
  ASSERT_FALSE(apart.empty());
  // Noise comes with 3 and is taken away from 4 or 5 on. Another size starts anew with 6; it comes again
  // with 9.
  EXPECT_EQ(apart.front(), 4u);
  EXPECT_EQ(std::count(apart.begin(), apart.end(), 6u), 0);
  EXPECT_EQ(std::count(apart.begin(), apart.end(), 10u), 1);
}

}  // namespace
}  // namespace digfusion
