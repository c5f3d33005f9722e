// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the tests of a core with two frames in flight share.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/plugin/rig.h"

namespace digfusion::test {

inline const std::string grey = caps_text("GRAY8", 32, 32);

/// With a clean log, and a core of which nothing is left or was called out of turn at the end.
class InFlight : public testing::Test {
 protected:
  void SetUp() override {
    for (auto* count : {&log().most_begun, &log().begun_beside, &log().out_of_turn, &log().overlaps})
      *count = 0;
  }
  void TearDown() override {
    EXPECT_EQ(log().out_of_turn, 0);
    EXPECT_EQ(log().overlaps, 0);
    EXPECT_EQ(log().begun, 0);
  }
  static FakeCoreLog& log() { return fake_core_log(); }
  const Environment two_{"DIGFUSION_FAKE_IN_FLIGHT", "2"};
  const Environment slow_{"DIGFUSION_FAKE_FUSE_MS", "8"};
};

/// What went downstream, in order: "40+90" for a picture, "fuse" for the name of an event.
class Recorder {
 public:
  explicit Recorder(GstPad* pad) : pad_(GST_PAD(gst_object_ref(pad))) {
    probe_ = gst_pad_add_probe(
        pad_, static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
        &Recorder::see, this, nullptr);
  }
  ~Recorder() {
    gst_pad_remove_probe(pad_, probe_);
    gst_object_unref(pad_);
  }
  std::vector<std::string> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  std::size_t count(const std::string& prefix) const {
    const auto all = seen();
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const std::string& one) {
      return one.compare(0, prefix.size(), prefix) == 0;
    }));
  }
  bool wait_for(const std::string& last) const {
    for (int n = 0; n < 1000; ++n, g_usleep(10'000))
      if (count(last) > 0) return true;
    return false;
  }

 private:
  static GstPadProbeReturn see(GstPad* pad, GstPadProbeInfo* info, gpointer user) {
    auto& self = *static_cast<Recorder*>(user);
    std::string text;
    if (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) {
      GstCaps* caps = gst_pad_get_current_caps(pad);
      const Fused fused = read_fused(GST_PAD_PROBE_INFO_BUFFER(info), caps);
      GstVideoInfo video;
      EXPECT_TRUE(gst_video_info_from_caps(&video, caps));
      EXPECT_EQ(gst_buffer_get_size(GST_PAD_PROBE_INFO_BUFFER(info)), GST_VIDEO_INFO_SIZE(&video));
      text = "picture " + std::to_string(fused.visible) + "+" + std::to_string(fused.infrared) + " of " +
             std::to_string(GST_VIDEO_INFO_WIDTH(&video));
      gst_caps_unref(caps);
    } else {
      text = GST_EVENT_TYPE_NAME(GST_PAD_PROBE_INFO_EVENT(info));
    }
    const std::lock_guard lock(self.mutex_);
    self.seen_.push_back(std::move(text));
    return GST_PAD_PROBE_OK;
  }

  GstPad* pad_;
  gulong probe_;
  mutable std::mutex mutex_;
  std::vector<std::string> seen_;
};

/// Pushes infrared pictures 100.. and visible ones 0.. at 25 fps as a file's two demuxed streams come, each
/// from a thread of its own; `before` is called in the visible one's before each of its pictures.
template <class Before>
void push_as_a_file(Rig& rig, int count, Before before) {
  std::thread infrared([&] {
    for (int n = 0; n < count; ++n) rig.push_infrared({100 + n, n * 40 * ms, 40 * ms});
  });
  for (int n = 0; n < count; ++n) {
    before(n);
    rig.push_visible({n, n * 40 * ms, 40 * ms});
  }
  infrared.join();
}

inline std::string picture(int n, int width = 32) {
  return "picture " + std::to_string(n) + "+" + std::to_string(100 + n) + " of " + std::to_string(width);
}

/// Downstream offers a pool of this type, of 1 to `max` buffers; 0: any number.
inline void offer_pool(Rig& rig, GType type, guint max) {
  rig.answer_allocation([=](GstQuery* query) {
    auto* pool = static_cast<GstBufferPool*>(gst_object_ref_sink(g_object_new(type, nullptr)));
    gst_query_add_allocation_pool(query, pool, 32 * 32, 1, max);
    gst_object_unref(pool);
  });
}

}  // namespace digfusion::test
