// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A program of its own, so that nothing but the pipeline is in its memory.
#include <malloc.h>

#include <fstream>
#include <string>

#include "tests/pipeline/run.h"

namespace digfusion::test {
namespace {

/// "VmRSS", "RssAnon", … in MB.
double memory(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string name; status >> name;) {
    if (name == field + ":") {
      double kilobytes = 0;
      status >> kilobytes;
      return kilobytes / 1000;
    }
    status.ignore(1000, '\n');
  }
  return -1;
}

std::string pipeline(int width, int height, int frames) {
  const std::string caps = " ! video/x-raw,format=GRAY8,width=" + std::to_string(width) +
                           ",height=" + std::to_string(height) + " ! f.";
  return "digtestsrc pattern=still num-buffers=" + std::to_string(frames) + " name=s s.visible" + caps +
         "visible s.infrared" + caps +
         "infrared digfusion name=f ! appsink name=out sync=false max-buffers=4";
}

TEST(Memory, Of640x480IsBelow600Megabytes) {
  int frames = 0;
  double most = 0;
  run_pipeline(pipeline(640, 480, 8), [&](GstSample*) {
    ++frames;
    most = std::max(most, memory("VmRSS"));
  });
  EXPECT_EQ(frames, 8);
  ASSERT_GT(most, 0);
  EXPECT_LT(most, 600);
  RecordProperty("megabytes", int(most));
}

TEST(Memory, IsFlatOverTenThousandFrames) {
  int frames = 0;
  double early = 0, late = 0;
  run_pipeline(pipeline(32, 32, 10000), [&](GstSample*) {
    ++frames;
    if (frames != 1000 && frames != 10000) return;
    malloc_trim(0);  // what is free but kept by the allocator is no leak
    (frames == 1000 ? early : late) = memory("RssAnon");
  });
  EXPECT_EQ(frames, 10000);
  ASSERT_GT(early, 0);
  EXPECT_LT(late - early, 4) << "megabytes at frame 1,000: " << early << ", at frame 10,000: " << late;
}

}  // namespace
}  // namespace digfusion::test
