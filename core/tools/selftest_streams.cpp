// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/selftest_streams.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/tools/console.h"
#include "core/tools/device_stream.h"
#include "core/tools/selftest_support.h"

namespace digfusion::tools {
namespace {

double rms_between(const GradientFrame& one, const GradientFrame& other) {
  const at::Tensor difference = one.fused().to(at::kCPU) - other.fused().to(at::kCPU);
  return difference.square().mean().sqrt().item<double>() * 127.5;
}

}  // namespace

std::string check_batched_streams(const Parameters& p, const DeviceChoice& choice) {
  constexpr int streams = 4, frames = 24;
  std::vector<std::string> problems(streams);
  std::vector<double> worst(streams, 0);
  std::vector<NetworkBatchCounts> counts(streams);
  std::vector<std::thread> threads;
  for (int s = 0; s < streams; ++s)
    threads.emplace_back([&, s] {
      const c10::InferenceMode inference;
      const auto stream = static_cast<std::size_t>(s);
      try {
        use_threads(p.threads);
        Parameters one = p;
        if (s % 2 == 1) one.noise = Word("12,8+4");
        Parameters many = one;
        many.batch_streams = streams;
        many.batch_wait = 200;
        DeviceStream alone(one, choice), together(many, choice);
        std::uint64_t waits = 0;
        for (int n = 0; n < frames; ++n) {
          alone.fuse(n);
          const std::uint64_t before = together.frame.backend().counts().waits;
          together.fuse(n);
          if (n > 0) waits += together.frame.backend().counts().waits - before;
          const double rms = rms_between(together.frame, alone.frame);
          worst[stream] = std::isnan(rms) ? rms : std::max(worst[stream], rms);
        }
        counts[stream] = together.frame.batch_counts();
        require(waits == frames - 1,
                std::to_string(waits) + " waits in " + std::to_string(frames - 1) + " frames");
        require(!together.frame.counts().capture_failed && !counts[stream].capture_failed,
                "a part of a frame could not be recorded as a graph");
      } catch (const std::exception& error) {
        problems[stream] = error.what();
      }
    });
  for (std::thread& thread : threads) thread.join();
  NetworkBatchCounts all;
  double most = 0;
  for (std::size_t s = 0; s < problems.size(); ++s) {
    require(problems[s].empty(), problems[s]);
    if (counts[s].batches > all.batches) all = counts[s];  // of the last to be done
    most = std::isnan(worst[s]) ? worst[s] : std::max(most, worst[s]);
  }
  const std::string detail = std::to_string(all.streams) + " frames in " + std::to_string(all.batches) +
                             " batches, " + std::to_string(all.replayed) +
                             " of them graphs; rms to each stream alone " + number_text(most, 4) + " of 255";
  require(all.batches < all.streams && all.replayed > 0, detail);
  require(most < (choice.network == at::kFloat ? 0.05 : 0.5), detail);
  return detail;
}

}  // namespace digfusion::tools
