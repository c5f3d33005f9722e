// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Pictures on their way: frames, taps and feeds, the last ones, the rendezvous, the meter.
#include <gmock/gmock.h>

#include <atomic>

#include "pipelines/common/bridge.h"
#include "pipelines/common/failure.h"
#include "pipelines/common/meter.h"
#include "pipelines/common/recent.h"
#include "pipelines/common/rendezvous.h"
#include "tests/programs/common/bench.h"

namespace digfusion::pipelines {
namespace {

using test::make_frame;
using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

constexpr GstClockTime ms = GST_MSECOND;

class FrameTest : public test::GstTest {};

Frame from_sample(GstClockTime pts, GstClockTime segment_start, const char* caps_text = nullptr) {
  const Frame source = make_frame(pts);
  MiniPtr<GstCaps> caps(caps_text ? gst_caps_from_string(caps_text) : gst_caps_ref(source.caps()));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = segment_start;
  segment.base = 5 * GST_SECOND;
  const MiniPtr<GstSample> sample(gst_sample_new(source.buffer(), caps.get(), &segment, nullptr));
  return Frame::from_sample(sample.get());
}

TEST_F(FrameTest, TheTimestampBecomesTheRunningTime) {
  const Frame frame = from_sample(3000 * ms, 2000 * ms);
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame.time(), 6000 * ms);
  const GstVideoInfo info = frame.info();
  EXPECT_EQ(GST_VIDEO_INFO_WIDTH(&info), 32);
}

TEST_F(FrameTest, WhatHasNoTimeOrNoPictureIsEmpty) {
  EXPECT_FALSE(from_sample(1000 * ms, 2000 * ms));  // before its segment
  EXPECT_FALSE(from_sample(GST_CLOCK_TIME_NONE, 0));
  EXPECT_FALSE(from_sample(0, 0, "audio/x-raw"));
}

TEST_F(FrameTest, MovingACopyLeavesTheOtherWhereItWas) {
  const Frame frame = make_frame(7 * ms, 99), moved = frame.at(8 * ms);
  EXPECT_EQ(frame.time(), 7 * ms);
  EXPECT_EQ(moved.time(), 8 * ms);
  EXPECT_EQ(gst_buffer_memcmp(moved.buffer(), 0, std::string(32 * 16, 99).data(), 32 * 16), 0);
  EXPECT_THROW(Frame().info(), Failure);
}

TEST_F(FrameTest, TheNearestOfTheLastIsFound) {
  RecentFrames recent(3);
  EXPECT_FALSE(recent.latest());
  for (const GstClockTime time : {100, 200, 300, 400}) recent.push(make_frame(time * ms));
  EXPECT_EQ(recent.nearest(310 * ms).time(), 300 * ms);
  EXPECT_EQ(recent.nearest(350 * ms).time(), 300 * ms);  // of two the earlier
  EXPECT_EQ(recent.nearest(0).time(), 200 * ms);         // 100 has gone
  EXPECT_EQ(recent.nearest(9000 * ms, 10 * GST_SECOND).time(), 400 * ms);
  EXPECT_FALSE(recent.nearest(9000 * ms));
  EXPECT_EQ(recent.latest().time(), 400 * ms);
  recent.clear();
  EXPECT_FALSE(recent.latest());
}

/// Feed ! Tap. The tap blocks while `open` is false.
struct Bridge {
  Bridge(unsigned depth, Full full)
      : feed("feed", false, depth, full),
        tap(
            "tap", false,
            [this](const Frame& frame) {
              ++arrived;
              while (!open) g_usleep(1000);
              const std::lock_guard lock(mutex);
              times.push_back(frame.time() / ms);
            },
            [this] { ended = true; }) {
    gst_bin_add_many(GST_BIN(pipeline.get()), feed.element(), tap.element(), nullptr);
    gst_element_link(feed.element(), tap.element());
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  }
  ~Bridge() {
    open = true;
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  }
  ObjectPtr<GstElement> pipeline{GST_ELEMENT(gst_object_ref_sink(gst_pipeline_new(nullptr)))};
  std::atomic<bool> open{true}, ended{false};
  std::atomic<int> arrived{0};
  std::mutex mutex;
  std::vector<GstClockTime> times;
  Feed feed;
  Tap tap;
};

TEST_F(FrameTest, ABridgeCarriesPicturesWithTheirTimesAndTheEnd) {
  Bridge bridge(4, Full::wait);
  for (GstClockTime time = 0; time < 20; ++time) EXPECT_TRUE(bridge.feed.push(make_frame(time * ms)));
  bridge.feed.end();
  ASSERT_TRUE(test::run_until([&] { return bridge.ended.load(); }));
  ASSERT_EQ(bridge.times.size(), 20u);
  EXPECT_EQ(bridge.times.back(), 19u);
  EXPECT_EQ(bridge.feed.left_out(), 0u);
  EXPECT_FALSE(bridge.feed.push(make_frame(0)));
}

TEST_F(FrameTest, AFullBridgeKeepsTheNewest) {
  Bridge bridge(2, Full::drop_oldest);
  bridge.open = false;
  bridge.feed.push(make_frame(0));
  ASSERT_TRUE(test::run_until([&] { return bridge.arrived > 0; }));
  // The first is held by the tap; the sink may take another one into its queue.
  for (GstClockTime time = 1; time < 30; ++time) {
    EXPECT_TRUE(bridge.feed.push(make_frame(time * ms)));
    g_usleep(2000);
  }
  bridge.open = true;
  bridge.feed.end();
  ASSERT_TRUE(test::run_until([&] { return bridge.ended.load(); }));
  EXPECT_LE(bridge.times.size(), 5u);
  ASSERT_GE(bridge.times.size(), 3u);
  EXPECT_EQ(bridge.times[bridge.times.size() - 2], 28u);
  EXPECT_EQ(bridge.times.back(), 29u);
  EXPECT_EQ(bridge.feed.left_out() + bridge.times.size(), 30u);
}

TEST_F(FrameTest, WhatATapThrowsIsAnErrorOfThePipeline) {
  const ObjectPtr<GstElement> pipeline(GST_ELEMENT(gst_object_ref_sink(gst_pipeline_new(nullptr))));
  Feed feed("feed", false, 2, Full::wait);
  Tap tap("tap", false, [](const Frame&) { throw Failure("no room for it"); });
  gst_bin_add_many(GST_BIN(pipeline.get()), feed.element(), tap.element(), nullptr);
  gst_element_link(feed.element(), tap.element());
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  feed.push(make_frame(0));
  const ObjectPtr<GstBus> bus(gst_element_get_bus(pipeline.get()));
  const MiniPtr<GstMessage> message(
      gst_bus_timed_pop_filtered(bus.get(), 10 * GST_SECOND, GST_MESSAGE_ERROR));
  ASSERT_TRUE(message);
  EXPECT_EQ(error_text(message.get()), "no room for it");
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
}

class RendezvousTest : public test::GstTest {
 protected:
  void visible(GstClockTime time) { rendezvous.visible(make_frame(time * ms), now); }
  void infrared(GstClockTime time) { rendezvous.infrared(make_frame(time * ms), now); }
  std::vector<std::string> take() { return std::exchange(log, {}); }

  std::vector<std::string> log;
  Rendezvous rendezvous{{[this](const Frame& f) { log.push_back("v" + std::to_string(f.time() / ms)); },
                         [this](const Frame& f) { log.push_back("i" + std::to_string(f.time() / ms)); },
                         [this](const Frame& f) { log.push_back("-" + std::to_string(f.time() / ms)); }}};
  Rendezvous::Clock::time_point now = Rendezvous::Clock::now();
};

TEST_F(RendezvousTest, AVisiblePictureGoesAfterItsInfraredOne) {
  infrared(0);
  EXPECT_THAT(take(), IsEmpty());
  visible(0);
  EXPECT_THAT(take(), ElementsAre("i0", "v0"));
  visible(40);
  EXPECT_THAT(take(), IsEmpty());
  infrared(41);
  EXPECT_THAT(take(), ElementsAre("i41", "v40"));
}

TEST_F(RendezvousTest, OnlyTheNeighboursOfAVisiblePictureGo) {
  visible(0);
  infrared(0);
  rendezvous.done(now);
  take();
  for (const GstClockTime time : {10, 20, 30, 40, 50}) infrared(time);
  visible(35);
  EXPECT_THAT(take(), ElementsAre("i30", "i40", "v35"));
  visible(38);
  EXPECT_THAT(take(), ElementsAre("v38"));
}

TEST_F(RendezvousTest, WhatTheElementIsTooSlowForIsLeftOut) {
  for (GstClockTime time = 0; time < 400; time += 40) {
    infrared(time);
    visible(time);
  }
  EXPECT_THAT(take(), ElementsAre("i0", "v0", "i40", "v40"));
  EXPECT_EQ(rendezvous.left_out(), 6u);
  rendezvous.done(now);
  EXPECT_THAT(take(), ElementsAre("i280", "i320", "v320"));
  rendezvous.done(now);
  EXPECT_THAT(take(), ElementsAre("i360", "v360"));
}

TEST_F(RendezvousTest, ACameraWithALongerWayIsWaitedForWithoutLoss) {
  // Ten pictures later than the visible one.
  for (int i = 0; i < 50; ++i) {
    visible(GstClockTime(40 * i));
    if (i >= 10) infrared(GstClockTime(40 * (i - 10)));
    rendezvous.done(now);
    now += 40ms;
  }
  EXPECT_EQ(rendezvous.left_out(), 0u);
  EXPECT_THAT(take(), testing::Not(testing::Contains(testing::StartsWith("-"))));
}

TEST_F(RendezvousTest, ACameraThatNeverComesIsWaitedForOnce) {
  visible(0);
  EXPECT_THAT(take(), IsEmpty());
  now += Rendezvous::patience + 1ms;
  visible(40);
  EXPECT_THAT(take(), ElementsAre("-0", "v0", "-40", "v40"));
  rendezvous.done(now);
  visible(80);
  EXPECT_THAT(take(), ElementsAre("-80", "v80"));
}

TEST_F(RendezvousTest, PatienceWithALostCameraEnds) {
  infrared(0);
  visible(40);
  EXPECT_THAT(take(), IsEmpty());
  now += Rendezvous::patience + 1ms;
  rendezvous.check(now);
  EXPECT_THAT(take(), ElementsAre("i0", "-40", "v40"));
  visible(80);
  EXPECT_THAT(take(), ElementsAre("-80", "v80"));
  rendezvous.done(now);
  rendezvous.done(now);
  infrared(2000);  // back
  visible(2000);
  visible(2040);
  EXPECT_THAT(take(), ElementsAre("i2000", "v2000"));
}

TEST_F(RendezvousTest, ACameraThatLagsFarBehindIsNotWaitedForForever) {
  for (int i = 0; i < 60; ++i) {
    visible(GstClockTime(5000 + 40 * i));
    infrared(GstClockTime(40 * i));
    rendezvous.done(now);
    now += 40ms;
  }
  EXPECT_THAT(take(), testing::Contains("-5000"));
}

TEST_F(RendezvousTest, AtTheEndAllGoOn) {
  infrared(0);
  visible(40);
  visible(80);
  visible(120);
  rendezvous.flush();
  EXPECT_THAT(take(), ElementsAre("i0", "-40", "v40", "-80", "v80", "-120", "v120"));
  for (int i = 0; i < 3; ++i) rendezvous.done(now);
  visible(160);
  rendezvous.infrared_ended();
  visible(200);
  EXPECT_THAT(take(), ElementsAre("v160", "v200"));
}

TEST(MeterTest, CountsARateOfTheLastTwoSeconds) {
  Meter meter;
  auto now = Meter::Clock::now();
  meter.restart(now);
  EXPECT_EQ(meter.rate(now), 0);
  for (int i = 0; i < 100; ++i) meter.count(now += 40ms);
  EXPECT_NEAR(meter.rate(now), 25, 0.01);
  EXPECT_EQ(meter.total(), 100u);
  EXPECT_EQ(meter.silent(now + 300ms), 300ms);
  EXPECT_LT(meter.rate(now + 1s), 25);
  EXPECT_EQ(meter.rate(now + 3s), 0);
  meter.restart(now + 3s);
  EXPECT_EQ(meter.since_restart(), 0u);
  EXPECT_EQ(meter.silent(now + 4s), 1s);
}

}  // namespace
}  // namespace digfusion::pipelines
