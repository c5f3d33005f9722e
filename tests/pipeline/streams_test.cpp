// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Several elements of one process whose frames the core evaluates together (batch-streams).
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "tests/pipeline/run.h"

namespace digfusion::test {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Frames = std::map<GstClockTime, std::vector<Bytes>>;  // by time stamp, those of all streams

/// Streams of scenes of their own; the last one ends after a third of the others' frames.
Frames fused(const std::vector<int>& seeds, int frames, const std::string& properties) {
  std::string pipeline = "funnel name=all ! appsink name=out sync=false";
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    const std::string n = std::to_string(i), count = std::to_string(seeds[i] == 4 ? frames / 3 : frames);
    pipeline += " digtestsrc name=s" + n + " seed=" + std::to_string(seeds[i]) + " num-buffers=" + count +
                " s" + n + ".visible ! video/x-raw,format=I420,width=128,height=96 ! f" + n + ".visible s" +
                n + ".infrared ! video/x-raw,width=128,height=96 ! f" + n + ".infrared digfusion name=f" + n +
                " device=cpu precision=float32 threads=1 " + properties + " ! all.";
  }
  Frames result;
  run_pipeline(pipeline, [&](GstSample* sample) {
    GstBuffer* buffer = gst_sample_get_buffer(sample);
    Bytes bytes(gst_buffer_get_size(buffer));
    gst_buffer_extract(buffer, 0, bytes.data(), bytes.size());
    result[GST_BUFFER_PTS(buffer)].push_back(std::move(bytes));
  });
  return result;
}

/// Rounding may differ with the size of a batch.
bool near(const Bytes& a, const Bytes& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](std::uint8_t x, std::uint8_t y) { return std::abs(x - y) <= 1; });
}

TEST(Streams, InOneBatchFuseWhatEachFusesAlone) {
  constexpr int frames = 24;
  const std::vector<int> seeds = {1, 2, 3, 4};
  Frames expected;
  for (const int seed : seeds)
    for (auto& [time, alone] : fused({seed}, frames, ""))
      expected[time].insert(expected[time].end(), alone.begin(), alone.end());
  ASSERT_EQ(expected.size(), std::size_t(frames));
  for (const auto& [time, together] : fused(seeds, frames, "batch-streams=4 batch-wait=200")) {
    std::vector<Bytes>& missing = expected[time];
    EXPECT_EQ(together.size(), missing.size()) << time;
    for (const Bytes& frame : together) {
      const auto found =
          std::find_if(missing.begin(), missing.end(), [&](const Bytes& b) { return near(b, frame); });
      ASSERT_NE(found, missing.end()) << "a frame at " << time << " is none of those fused alone";
      missing.erase(found);
    }
    expected.erase(time);
  }
  EXPECT_TRUE(expected.empty());
}

}  // namespace
}  // namespace digfusion::test
