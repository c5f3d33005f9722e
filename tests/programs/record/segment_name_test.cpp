// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/record/segment_name.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

namespace digfusion::pipelines {
namespace {

// 2026-11-21 12:04:31 UTC
constexpr WallTime moment{std::chrono::seconds(1795262671)};

/// Sets the local time zone for as long as it lives.
class Zone {
 public:
  explicit Zone(const char* zone) {
    setenv("TZ", zone, 1);
    tzset();
  }
  ~Zone() {
    unsetenv("TZ");
    tzset();
  }
};

TEST(SegmentName, ShowsTheTimeInUtc) {
  EXPECT_EQ(segment_name("gate", moment, false, 0, Container::mp4), "gate-2026-11-21T12-04-31Z.mp4");
  EXPECT_EQ(segment_name("gate", moment, false, 0, Container::matroska), "gate-2026-11-21T12-04-31Z.mkv");
}

TEST(SegmentName, ShowsLocalTimeWithItsOffset) {
  const Zone zone("XYZ-05:30");  // POSIX counts westward: five and a half hours ahead of UTC
  EXPECT_EQ(segment_name("gate", moment, true, 0, Container::mp4), "gate-2026-11-21T17-34-31+0530.mp4");
}

TEST(SegmentName, IsReadBackToTheSameTimeInAnyForm) {
  const Zone zone("XYZ+03:00");
  for (const bool local : {false, true})
    for (const int again : {0, 2, 99})
      for (const Container container : {Container::mp4, Container::matroska}) {
        const std::string name = segment_name("front gate", moment, local, again, container);
        EXPECT_EQ(parse_segment_name("front gate", name), moment) << name;
      }
}

TEST(SegmentName, SortsByTime) {
  const auto name = [](int seconds, int again) {
    return segment_name("gate", moment + std::chrono::seconds(seconds), false, again, Container::mp4);
  };
  EXPECT_LT(name(0, 0), name(0, 2));
  EXPECT_LT(name(0, 2), name(0, 10));
  EXPECT_LT(name(0, 99), name(1, 0));
  EXPECT_LT(name(0, 0), name(1'000'000, 0));
}

TEST(SegmentName, OfAnotherRecordingIsNoneOfOurs) {
  const std::string other = segment_name("gate-north", moment, false, 0, Container::mp4);
  EXPECT_TRUE(parse_segment_name("gate-north", other));
  EXPECT_FALSE(parse_segment_name("gate", other));
  EXPECT_FALSE(parse_segment_name("gate-", other));
  EXPECT_FALSE(parse_segment_name("north", other));
}

TEST(SegmentName, IsAllOfTheNameOrNothing) {
  for (const char* name : {"gate.mp4", "gate-2026-11-21.mp4", "gate-2026-11-21T12-04-31.mp4",
                           "gate-2026-11-21T12-04-31Z.mp4.part", "my-gate-2026-11-21T12-04-31Z.mp4",
                           "gate-2026-11-21T12-04-31Z.avi", "gate-2026-11-21T12-04-31Z_2.mp4",
                           "gate-2026-11-21T12:04:31Z.mp4", "gate-2026-11-21T12-04-31ZAmp4",
                           "gate-2026-11-21T12-04-31Z.mp4\n", "gate-2026-11-21T12-04-31+01.mp4", ""})
    EXPECT_FALSE(parse_segment_name("gate", name)) << name;
}

TEST(SegmentName, OfADateThatDoesNotExistIsNone) {
  EXPECT_FALSE(parse_segment_name("gate", "gate-2026-02-30T12-04-31Z.mp4"));
  EXPECT_FALSE(parse_segment_name("gate", "gate-2026-11-21T25-04-31Z.mp4"));
  EXPECT_TRUE(parse_segment_name("gate", "gate-2028-02-29T23-59-59Z.mp4"));
}

TEST(SegmentName, PrefixThatReadsAsAPatternIsTakenAsItIs) {
  const std::string name = segment_name("gate.*[1]", moment, false, 0, Container::mp4);
  EXPECT_EQ(parse_segment_name("gate.*[1]", name), moment);
  EXPECT_FALSE(parse_segment_name("gate.*[1]", "gateway1-2026-11-21T12-04-31Z.mp4"));
}

TEST(SegmentName, RefusesPrefixesThatAreNoFileNames) {
  EXPECT_EQ(problem_with_prefix("front gate (2)"), "");
  for (const std::string prefix : {"", "a/b", ".hidden", "-rf", "line\nbreak"})
    EXPECT_NE(problem_with_prefix(prefix), "") << prefix;
  EXPECT_NE(problem_with_prefix(std::string(101, 'a')), "");
}

}  // namespace
}  // namespace digfusion::pipelines
