// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The analytics graph in this process: what it finds is on the buffers, where any element sees it.
#include <gst/video/video.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "pipelines/analyse/graph.h"
#include "pipelines/analyse/to_rgb.h"
#include "pipelines/common/failure.h"
#include "tests/pipeline/run.h"

namespace digfusion::pipelines {
namespace {

constexpr int width = 160, height = 120;

/// A gray RGB picture of this time.
Frame gray_frame(double seconds) {
  const MiniPtr<GstCaps> caps(gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, "RGB", "width",
                                                  G_TYPE_INT, width, "height", G_TYPE_INT, height,
                                                  "framerate", GST_TYPE_FRACTION, 25, 1, nullptr));
  const MiniPtr<GstBuffer> buffer(gst_buffer_new_allocate(nullptr, 3 * width * height, nullptr));
  gst_buffer_memset(buffer.get(), 0, 90, 3 * width * height);
  GST_BUFFER_PTS(buffer.get()) = static_cast<GstClockTime>(seconds * GST_SECOND + .5);
  GST_BUFFER_DURATION(buffer.get()) = GST_SECOND / 25;
  return Frame(buffer.get(), caps.get());
}

const Detection someone{.type = "person", .label = 3, .confidence = .75, .box = {20, 30, 40, 60}};

/// Says what a function says.
class Told : public Detector {
 public:
  explicit Told(std::function<std::vector<Detection>()> say) : say_(std::move(say)) {}
  std::vector<Detection> detect(const cv::Mat&) override { return say_(); }
  std::string name() const override { return "told"; }

 private:
  std::function<std::vector<Detection>()> say_;
};

/// A graph with a place for what comes out of it.
class Rig {
 public:
  explicit Rig(GraphOptions options)
      : program_("test", true),
        graph_(
            program_, std::move(options), [this](Frame frame) { take(std::move(frame)); },
            [this] { take({}); }) {}

  Graph& graph() { return graph_; }
  Program& program() { return program_; }

  /// Pushes a picture and waits for it to come out; an empty one at the end.
  Frame pass(const Frame& frame) {
    graph_.push(frame);
    return next();
  }
  Frame next() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(60), [this] { return !out_.empty(); }))
      throw std::runtime_error("no picture came out of the graph");
    Frame frame = out_.front();
    out_.erase(out_.begin());
    return frame;
  }

 private:
  void take(Frame frame) {
    const std::lock_guard lock(mutex_);
    out_.push_back(std::move(frame));
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Frame> out_;
  Program program_;
  Graph graph_;
};

GraphOptions with_detector(std::function<std::vector<Detection>()> say, Pace pace = Pace::every_frame) {
  GraphOptions options;
  options.detector = std::make_unique<Told>(std::move(say));
  options.pace = pace;
  return options;
}

class AnalyticsGraph : public testing::Test {
 protected:
  static void SetUpTestSuite() { gst_init(nullptr, nullptr); }
};

// ---- regions

/// Copies of the regions that pass a pad, as an element of another maker sees them.
struct SeenRegion {
  std::string type;
  cv::Rect box;
  int id;
  double confidence;
};

TEST_F(AnalyticsGraph, DetectionsAreRegionsForWhoeverFollows) {
  Rig rig(with_detector([] { return std::vector{someone}; }));
  std::vector<SeenRegion> seen;
  const ObjectPtr<GstElement> sink(gst_bin_get_by_name(GST_BIN(rig.graph().pipeline()), "analysed"));
  const ObjectPtr<GstPad> pad(gst_element_get_static_pad(sink.get(), "sink"));
  gst_pad_add_probe(
      pad.get(), GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad*, GstPadProbeInfo* info, gpointer data) {
        gpointer state = nullptr;
        while (GstMeta* meta = gst_buffer_iterate_meta_filtered(GST_PAD_PROBE_INFO_BUFFER(info), &state,
                                                                GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)) {
          auto* roi = reinterpret_cast<GstVideoRegionOfInterestMeta*>(meta);
          SeenRegion region{g_quark_to_string(roi->roi_type),
                            cv::Rect(int(roi->x), int(roi->y), int(roi->w), int(roi->h)), roi->id, 0};
          gst_structure_get_double(gst_video_region_of_interest_meta_get_param(roi, "detection"),
                                   "confidence", &region.confidence);
          static_cast<std::vector<SeenRegion>*>(data)->push_back(region);
        }
        return GST_PAD_PROBE_OK;
      },
      &seen, nullptr);
  const Frame out = rig.pass(gray_frame(.4));
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].type, "person");
  EXPECT_EQ(seen[0].box, someone.box);
  EXPECT_EQ(seen[0].id, 1);
  EXPECT_EQ(seen[0].confidence, someone.confidence);

  // And read back by ourselves.
  const Findings findings = read_findings(out.buffer());
  ASSERT_EQ(findings.objects.size(), 1u);
  EXPECT_EQ(findings.objects[0].detection.label, someone.label);
  EXPECT_EQ(findings.objects[0].age, 0);
  EXPECT_EQ(out.time(), 400 * GST_MSECOND);
}

TEST_F(AnalyticsGraph, DrawsRegionsOnlyWhereItIsAskedTo) {
  for (const bool draw : {false, true}) {
    GraphOptions options = with_detector([] { return std::vector{someone}; });
    options.draw = draw;
    Rig rig(std::move(options));
    const cv::Mat picture = ToRgb()(rig.pass(gray_frame(0)));
    const cv::Vec3b gray(90, 90, 90), corner = picture.at<cv::Vec3b>(someone.box.br().y - 1, someone.box.x);
    EXPECT_EQ(corner != gray, draw);
    EXPECT_EQ(picture.at<cv::Vec3b>(0, 0), gray);
  }
}

TEST_F(AnalyticsGraph, EveryPictureWaitsForItsOwnDetections) {
  int count = 0;
  Rig rig(with_detector([&count] {
    Detection moving = someone;
    moving.box.x = 5 * ++count;
    return std::vector{moving};
  }));
  for (int i = 0; i < 5; ++i) {
    const Findings findings = read_findings(rig.pass(gray_frame(i * .04)).buffer());
    ASSERT_EQ(findings.objects.size(), 1u);
    EXPECT_EQ(findings.objects[0].detection.box.x, 5 * (i + 1));
    EXPECT_EQ(findings.objects[0].detection.id, 1);
    EXPECT_EQ(findings.objects[0].age, 0);
  }
}

TEST_F(AnalyticsGraph, LivePicturesPassASlowDetectorAndHoldItsLastFindings) {
  std::mutex gate;
  gate.lock();
  std::atomic<int> calls = 0;
  Rig rig(with_detector(
      [&] {
        ++calls;
        const std::lock_guard wait(gate);
        return std::vector{someone};
      },
      Pace::newest_frame));
  // The detector is at the first picture until the gate opens; the others come out all the same.
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(read_findings(rig.pass(gray_frame(i * .04)).buffer()).empty());
  EXPECT_LE(calls, 1);
  gate.unlock();
  std::optional<FoundObject> held;
  double time = .2;
  for (; !held && time < 1.9; time += .001) {
    const Findings findings = read_findings(rig.pass(gray_frame(time)).buffer());
    if (!findings.objects.empty()) held = findings.objects[0];
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ASSERT_TRUE(held) << "the detector's findings never came";
  EXPECT_GT(held->age, 0);
  EXPECT_LT(held->age, 2);
  EXPECT_EQ(held->detection.box, someone.box);
}

TEST_F(AnalyticsGraph, OldFindingsAreNotTakenForThePresent) {
  std::atomic<bool> blocked = false;
  std::mutex gate;
  Rig rig(with_detector(
      [&] {
        if (blocked) const std::lock_guard wait(gate);
        return std::vector{someone};
      },
      Pace::newest_frame));
  double time = 0;
  while (read_findings(rig.pass(gray_frame(time += .001)).buffer()).empty())
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const std::lock_guard stuck(gate);
  blocked = true;
  // At most two results can still come: one in hand and one begun before it was blocked.
  for (int i = 0; i < 50; ++i) {
    rig.pass(gray_frame(time += .001));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_FALSE(read_findings(rig.pass(gray_frame(time + 1)).buffer()).empty());
  EXPECT_TRUE(read_findings(rig.pass(gray_frame(time + 3)).buffer()).empty());
  blocked = false;
}

TEST_F(AnalyticsGraph, FailingDetectorEndsTheProgram) {
  Rig rig(with_detector([]() -> std::vector<Detection> { throw Failure("the model is broken"); }));
  rig.graph().push(gray_frame(0));
  testing::internal::CaptureStderr();
  EXPECT_EQ(rig.program().run({}), 1);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("the model is broken"), std::string::npos);
}

TEST_F(AnalyticsGraph, StopFreesWhoWaitsForABrokenGraph) {
  Rig rig(with_detector([]() -> std::vector<Detection> { throw Failure("the model is broken"); }));
  std::thread source([&rig] {
    for (int i = 0; i < 100 && rig.graph().push(gray_frame(i * .04)); ++i) {
    }
  });
  testing::internal::CaptureStderr();
  EXPECT_EQ(rig.program().run({}), 1);
  rig.graph().stop();
  source.join();
  testing::internal::GetCapturedStderr();
}

TEST_F(AnalyticsGraph, EndComesThroughAfterTheLastPicture) {
  Rig rig(with_detector([] { return std::vector{someone}; }));
  rig.graph().push(gray_frame(0));
  rig.graph().end();
  EXPECT_TRUE(rig.next());
  EXPECT_FALSE(rig.next());
}

// ---- motion

TEST(MotionCells, AreReadAndMended) {
  const std::vector<Cell> cells = parse_cells("0:6,11:15,x,3,4:,7:8");
  ASSERT_EQ(cells.size(), 3u);
  EXPECT_EQ(cells[0].row, 0);
  EXPECT_EQ(cells[0].column, 6);
  EXPECT_EQ(cells[1].column, 15);
  EXPECT_EQ(cells[2].row, 7);
  EXPECT_TRUE(parse_cells("").empty());
}

TEST(MotionCells, ThatTouchMakeOneArea) {
  // Two at a corner, one apart, one outside the grid.
  const auto areas = merge_cells({{0, 0}, {1, 1}, {5, 7}, {99, 3}}, {8, 6}, {160, 120});
  ASSERT_EQ(areas.size(), 2u);
  EXPECT_EQ(areas[0].box, cv::Rect(0, 0, 40, 40));
  EXPECT_EQ(areas[0].cells, 2);
  EXPECT_EQ(areas[1].box, cv::Rect(140, 100, 20, 20));
  EXPECT_EQ(areas[1].cells, 1);
}

/// Pushes a second of a generated scene's visible pictures through motioncells.
std::vector<Findings> motion_of(const std::string& pattern) {
  GraphOptions options;
  options.motion = .5;
  options.pace = Pace::every_frame;
  Rig rig(std::move(options));
  std::vector<Findings> all;
  test::run_pipeline("digtestsrc pattern=" + pattern +
                         " num-buffers=26 name=s  s.visible ! "
                         "video/x-raw,width=320,height=240,framerate=25/1 ! appsink name=out "
                         "sync=false",
                     [&](GstSample* sample) {
                       all.push_back(read_findings(rig.pass(Frame::from_sample(sample)).buffer()));
                     });
  return all;
}

TEST_F(AnalyticsGraph, FindsMotionWhereThingsMove) {
  if (!has_element("motioncells")) GTEST_SKIP() << "motioncells is missing: gstreamer1.0-opencv";
  const std::vector<Findings> all = motion_of("day-glare");
  ASSERT_EQ(all.size(), 26u);
  std::size_t with_motion = 0;
  for (const Findings& findings : all)
    for (const MotionArea& area : findings.motion) {
      ++with_motion;
      EXPECT_EQ(area.box & cv::Rect(0, 0, 320, 240), area.box);
      EXPECT_GE(area.cells, 1);
      EXPECT_LT(area.age, .2);
    }
  EXPECT_GT(with_motion, 10u);
  // It looks at every fifth picture, and what it finds holds until the next.
  EXPECT_TRUE(all[3].motion.empty());
  ASSERT_FALSE(all[4].motion.empty());
  EXPECT_EQ(all[4].motion[0].age, 0);
  ASSERT_FALSE(all[5].motion.empty());
  EXPECT_NEAR(all[5].motion[0].age, .04, 1e-6);
}

TEST_F(AnalyticsGraph, FindsNoMotionInSensorNoise) {
  if (!has_element("motioncells")) GTEST_SKIP() << "motioncells is missing: gstreamer1.0-opencv";
  for (const Findings& findings : motion_of("still")) EXPECT_TRUE(findings.motion.empty());
}

}  // namespace
}  // namespace digfusion::pipelines
