// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/fusion/stream_batch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "core/fusion/fuser.h"
#include "core/interface/error.h"
#include "tests/core/fusion/streams.h"
#include "tests/core/metrics/temporary_folder.h"

namespace digfusion {
namespace {

constexpr double patient = 2000;  // milliseconds

TEST(StreamBatch, GivesEachStreamWhatItWouldHaveAlone) {
  const auto student = random_student();
  constexpr int streams = 5, frames = 12;
  in_threads(streams, [&](int s) {
    StreamBatch batch(student, 4);
    for (int frame = 0; frame < frames; ++frame) {
      // Two sizes, some with noise, some without, some with three sources.
      const at::Tensor pictures =
          random_pictures(s == 1 ? 3 : 2, s == 4 ? 24 : 16, 32, std::uint64_t(s * 100 + frame));
      std::vector<NoiseLevel> noise(std::size_t(pictures.size(0)));
      if (s % 2 == 1) noise[1] = {10, 0};
      if (s == 2) noise.assign(noise.size(), {5, 3});
      const GradientEstimates together = batch.estimate(pictures, noise, 20),
                              alone = student->estimate(pictures, noise);
      expect_near(together.clean, alone.clean);
      expect_near(together.error, alone.error);
      if (noise[0].total() == 0) {
        EXPECT_TRUE(at::equal(together.clean[0], pictures[0]));
      }
    }
  });
}

TEST(StreamBatch, AStreamMayChangeItsSize) {
  const auto student = random_student();
  StreamBatch batch(student, 2), other(student, 2);
  const std::vector<NoiseLevel> noise(2);
  for (const int width : {16, 32, 16}) {
    const at::Tensor pictures = random_pictures(2, 16, width, 1);
    expect_near(batch.estimate(pictures, noise, patient).error, student->estimate(pictures, noise).error);
  }
}

TEST(StreamBatch, AnErrorReachesEveryStreamAndIsOver) {
  const auto student = random_student();
  std::atomic<int> failures = 0, results = 0;
  in_threads(3, [&](int) {
    StreamBatch batch(student, 3);
    const std::vector<NoiseLevel> noise(2);
    for (int frame = 0; frame < 4; ++frame) try {
        (void)batch.estimate(random_pictures(2, 17, 16, 1), noise, 50);  // which no network of ours takes
      } catch (const std::exception&) {
        ++failures;
      }
    results += batch.estimate(random_pictures(2, 16, 16, 1), noise, 50).error.defined();
  });
  EXPECT_EQ(failures, 12);
  EXPECT_EQ(results, 3);
}

TEST(StreamBatch, BatchesBeyondTheMemoryAreHalved) {
  const auto student = random_student();
  constexpr int streams = 4;
  const at::Tensor pictures = random_pictures(2, 128, 128, 1);
  const std::vector<NoiseLevel> noise(2);
  const at::Tensor expected = student->estimate(pictures, noise).error;
  ScarceMemory memory(pictures.nbytes() * 3);  // one stream's features pass, two streams' don't
  std::atomic<int> good = 0, all = 0;
  in_threads(streams, [&](int) {
    StreamBatch batch(student, streams);
    // Until streams have met; each goes alone while none of the others has come.
    for (int frame = 0; frame < 3 || (memory.refused == 0 && frame < 5000); ++frame) {
      ++all;
      good += at::allclose(batch.estimate(pictures, noise, 200).error, expected, 1e-5, 1e-7);
    }
  });
  EXPECT_EQ(good, all);
  EXPECT_GT(memory.refused, 0);
}

TEST(StreamBatch, MemoryForNoStreamIsAnErrorOfEach) {
  const auto student = random_student();
  const at::Tensor pictures = random_pictures(2, 128, 128, 1);
  const std::vector<NoiseLevel> noise(2);
  const ScarceMemory memory(pictures.nbytes() * 3 / 2);
  std::atomic<int> failures = 0;
  in_threads(3, [&](int) {
    StreamBatch batch(student, 3);
    try {
      (void)batch.estimate(pictures, noise, 200);
    } catch (const Error& error) {
      failures += error.code() == ErrorCode::out_of_memory &&
                  std::string(error.what()).find("128×128") != std::string::npos;
    }
  });
  EXPECT_EQ(failures, 3);
}

TEST(StreamBatch, FusersThatShareBatchesFuseAsAlone) {
  const TemporaryFolder folder;
  write_model_file(folder.path / "student", tiny_gradient_student());
  Parameters p;
  p.student = Path((folder.path / "student").string());
  p.device = Word("cpu");
  p.precision = Precision::float32;
  p.threads = 1;
  constexpr int streams = 3, frames = 5;
  const auto fused = [&](int stream, const Parameters& parameters) {
    Fuser fuser(parameters, [](const std::string&) {});
    std::vector<at::Tensor> pictures;
    for (int frame = 0; frame < frames; ++frame)
      pictures.push_back(fuser.fuse(random_pictures(2, 33, 47, std::uint64_t(stream * 10 + frame))).clone());
    EXPECT_EQ(fuser.evaluations(), 2u);
    return pictures;
  };
  Parameters batched = p;
  batched.batch_streams = streams;
  batched.batch_wait = 50;
  in_threads(streams, [&](int s) {
    const auto alone = fused(s, p), together = fused(s, batched);
    for (int frame = 0; frame < frames; ++frame)
      expect_near(together[std::size_t(frame)], alone[std::size_t(frame)]);
  });
}

}  // namespace
}  // namespace digfusion
