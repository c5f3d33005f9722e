// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the window shows when, without a window: the pictures that reach the sink are read from a file.
#include "pipelines/common/display.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "pipelines/common/failure.h"
#include "tests/core/metrics/temporary_folder.h"

namespace digfusion::pipelines {
namespace {

using std::chrono::milliseconds;

constexpr int width = 640, height = 480;  // not enlarged by the display

/// One colour, which tells its stream.
struct Colour {
  int r, g, b;
  bool operator==(const Colour&) const = default;
};
constexpr Colour fused_colour{200, 40, 40}, visible_colour{40, 200, 40}, infrared_colour{90, 90, 90},
    black{0, 0, 0};

std::ostream& operator<<(std::ostream& out, const Colour& c) {
  return out << c.r << "," << c.g << "," << c.b;
}

Frame make(const Colour& colour) {
  GstVideoInfo info;
  gst_video_info_set_format(&info, GST_VIDEO_FORMAT_RGB, width, height);
  const MiniPtr<GstBuffer> buffer(gst_buffer_new_allocate(nullptr, info.size, nullptr));
  GstVideoFrame frame;
  EXPECT_TRUE(gst_video_frame_map(&frame, &info, buffer.get(), GST_MAP_WRITE));
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      auto* pixel = static_cast<guint8*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0)) +
                    y * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0) + 3 * x;
      pixel[0] = guint8(colour.r);
      pixel[1] = guint8(colour.g);
      pixel[2] = guint8(colour.b);
    }
  gst_video_frame_unmap(&frame);
  GST_BUFFER_PTS(buffer.get()) = GST_SECOND;
  const MiniPtr<GstCaps> caps(gst_video_info_to_caps(&info));
  return Frame(buffer.get(), caps.get());
}

/// The picture that reached the sink last.
struct Screen {
  std::vector<unsigned char> bytes;  ///< BGRA
  int w = 0, h = height;

  Colour at(int x, int y) const {
    const unsigned char* pixel = bytes.data() + 4 * (std::size_t(y) * w + x);
    return {pixel[2], pixel[1], pixel[0]};
  }
  /// Texts are at the edges.
  Colour middle(double part = 0.5) const { return at(int(part * w), h / 2); }
  /// Pixels of a region (in parts of the whole) that differ from the picture's colour.
  int covered(double x0, double y0, double x1, double y1) const {
    int count = 0;
    for (int y = int(y0 * h); y < int(y1 * h); ++y)
      for (int x = int(x0 * w); x < int(x1 * w); ++x) count += at(x, y) != middle();
    return count;
  }
};

class DisplayTest : public testing::Test {
 protected:
  DisplayTest() {
    gst_init(nullptr, nullptr);
    program_.emplace("display_test", true);
    status_.visible.state = status_.infrared.state = CameraState::playing;
    status_.visible.frames = status_.infrared.frames = 10;
    status_.fused = 10;
    status_.device = "cpu";
  }

  void open(DisplayOptions options = {}) {
    if (options.sink.empty()) options.sink = "multifilesink location=" + (folder_.path / "%d.raw").string();
    display_.emplace(
        *program_, options,
        Display::Callbacks{.on_close = [this](const std::string& problem) { closed_.push_back(problem); },
                           .on_key = [](const std::string&) {}});
  }

  /// Where falling silent isn't the subject: the machine may be slow.
  static DisplayOptions patient() {
    DisplayOptions options;
    options.live = false;
    return options;
  }

  void push_all() {
    recent_visible_.push(make(visible_colour));
    recent_infrared_.push(make(infrared_colour));
    display_->on_visible(make(visible_colour));
    display_->on_infrared(make(infrared_colour));
    display_->on_fused(make(fused_colour), recent_visible_, recent_infrared_);
  }

  /// Runs the main thread's sources until `done`, or for five seconds.
  template <class Done>
  bool run_until(Done done) {
    for (int i = 0; i < 500; ++i) {
      while (g_main_context_iteration(nullptr, FALSE)) {
      }
      if (done()) return true;
      std::this_thread::sleep_for(milliseconds(10));
    }
    return false;
  }

  /// The last picture, once it has `colour` in the middle of `part` of its width and is `panels` pictures
  /// wide.
  Screen screen(const Colour& colour, int panels = 1, double part = 0.5) {
    Screen screen;
    screen.w = width * panels;
    const std::size_t size = 4u * std::size_t(screen.w) * height;
    const bool came = run_until([&] {
      while (std::filesystem::exists(file(number_ + 1))) ++number_;
      const std::string bytes = read_text(file(number_));
      if (bytes.size() != size) return false;
      screen.bytes.assign(bytes.begin(), bytes.end());
      return screen.middle(part) == colour;
    });
    if (!came) throw std::runtime_error("the picture didn't come");
    return screen;
  }
  std::filesystem::path file(int number) const { return folder_.path / (std::to_string(number) + ".raw"); }

  TemporaryFolder folder_;
  int number_ = 0;  ///< of the picture that reached the sink last
  std::optional<Program> program_;
  std::optional<Display> display_;
  RecentFrames recent_visible_, recent_infrared_;
  FusionStatus status_;
  std::vector<std::string> closed_;
};

TEST_F(DisplayTest, ShowsTheChosenView) {
  open(patient());
  push_all();
  screen(fused_colour);
  display_->set_view(View::visible);
  screen(visible_colour);
  display_->set_view(View::infrared);
  screen(infrared_colour);
  display_->on_fused(make(fused_colour), recent_visible_, recent_infrared_);
  screen(infrared_colour);
  display_->set_view(View::side_by_side);
  const Screen all = screen(infrared_colour, 3);
  EXPECT_EQ(all.middle(1 / 6.0), visible_colour);
  EXPECT_EQ(all.middle(5 / 6.0), fused_colour);
}

TEST_F(DisplayTest, BlackBeforeTheFirstPictureWithANotice) {
  open();
  status_ = FusionStatus();
  display_->refresh(status_);
  const Screen first = screen(black);
  EXPECT_GT(first.covered(0, 0.7, 1, 1), 200);
  EXPECT_EQ(first.covered(0, 0, 1, 0.7), 0);
}

TEST_F(DisplayTest, TheFusedViewShowsTheVisiblePictureUntilThereIsAFusedOne) {
  open();
  display_->on_visible(make(visible_colour));
  display_->on_infrared(make(infrared_colour));
  screen(visible_colour);
  display_->on_fused(make(fused_colour), recent_visible_, recent_infrared_);
  screen(fused_colour);
}

TEST_F(DisplayTest, AStreamThatFellSilentIsNotShownAnyMore) {
  open();
  push_all();
  screen(fused_colour);
  const auto fall_silent = [this] {
    std::this_thread::sleep_for(milliseconds(2200));
    display_->refresh(status_);
  };
  fall_silent();
  screen(black);
  {
    const std::jthread camera([this](std::stop_token stop) {
      while (!stop.stop_requested()) {
        display_->on_infrared(make(infrared_colour));
        std::this_thread::sleep_for(milliseconds(50));
      }
    });
    // What there is, and a word about it.
    EXPECT_TRUE(run_until([&] { return screen(infrared_colour).covered(0, 0.7, 1, 1) > 200; }));
    display_->set_view(View::visible);
    screen(black);
    display_->set_view(View::side_by_side);
    const Screen beside = screen(infrared_colour, 3);
    EXPECT_EQ(beside.middle(1 / 6.0), black);
    EXPECT_EQ(beside.middle(5 / 6.0), black);
  }
  display_->set_view(View::fused);
  fall_silent();
  screen(black);
  push_all();
  display_->refresh(status_);
  EXPECT_EQ(screen(fused_colour).covered(0, 0, 1, 1), 0);
}

TEST_F(DisplayTest, AFileThatIsSlowIsNotLost) {
  open(patient());
  push_all();
  std::this_thread::sleep_for(milliseconds(2200));
  display_->refresh(status_);
  EXPECT_EQ(screen(fused_colour).covered(0, 0, 1, 1), 0);
}

TEST_F(DisplayTest, StatisticsNoticeAndHelpLeaveTheMiddleFree) {
  open(patient());
  push_all();
  display_->refresh(status_);
  EXPECT_EQ(screen(fused_colour).covered(0, 0, 1, 1), 0);
  display_->set_statistics(true);
  EXPECT_TRUE(display_->statistics());
  display_->refresh(status_, "recording stopped: a < b & c", "q  quit");
  push_all();
  Screen texts;
  ASSERT_TRUE(run_until([&] {
    texts = screen(fused_colour);
    return texts.covered(0, 0, 0.6, 0.3) > 0;
  }));
  EXPECT_GT(texts.covered(0, 0, 0.6, 0.3), 1000);
  EXPECT_GT(texts.covered(0, 0.8, 1, 1), 1000);
  EXPECT_EQ(texts.covered(0, 0.4, 1, 0.75), 0);
  display_->set_statistics(false);
  display_->refresh(status_);
  push_all();
  EXPECT_TRUE(run_until([&] { return screen(fused_colour).covered(0, 0, 1, 1) == 0; }));
}

TEST_F(DisplayTest, SmallPicturesAreEnlarged) {
  open();
  GstVideoInfo info;
  gst_video_info_set_format(&info, GST_VIDEO_FORMAT_GRAY8, 64, 48);
  const MiniPtr<GstBuffer> buffer(gst_buffer_new_allocate(nullptr, info.size, nullptr));
  gst_buffer_memset(buffer.get(), 0, 90, info.size);
  const MiniPtr<GstCaps> caps(gst_video_info_to_caps(&info));
  display_->set_view(View::infrared);
  display_->on_infrared(Frame(buffer.get(), caps.get()));
  screen(infrared_colour);  // 640x480
}

TEST_F(DisplayTest, ASnapshotIsAPictureFile) {
  open();
  push_all();
  const std::string path = folder_.path / "picture.png";
  std::optional<std::string> problem;
  display_->snapshot(path, [&](const std::string& why) { problem = why; });
  ASSERT_TRUE(run_until([&] { return problem.has_value(); }));
  EXPECT_EQ(*problem, "");
  EXPECT_TRUE(read_text(path).starts_with("\x89PNG"));

  problem.reset();
  display_->snapshot(folder_.path / "nowhere" / "picture.png",
                     [&](const std::string& why) { problem = why; });
  ASSERT_TRUE(run_until([&] { return problem.has_value(); }));
  EXPECT_NE(problem->find("No such file"), std::string::npos) << *problem;
}

TEST_F(DisplayTest, ASinkThatFailsIsReportedOnce) {
  DisplayOptions options;
  options.sink = "identity error-after=3 ! fakesink";
  open(options);
  EXPECT_TRUE(run_until([this] {
    push_all();
    return !closed_.empty();
  }));
  push_all();  // into nothing
  while (g_main_context_iteration(nullptr, FALSE)) {
  }
  ASSERT_EQ(closed_.size(), 1u);
  EXPECT_NE(closed_[0], "");
}

template <class Expected>
void expect_refused(const std::string& sink, const std::string& part) {
  Program program("display_test", true);
  DisplayOptions options;
  options.sink = sink;
  try {
    Display display(program, options, {});
    FAIL() << sink << " was taken";
  } catch (const Expected& failure) {
    EXPECT_NE(std::string(failure.what()).find(part), std::string::npos) << failure.what();
  }
}

TEST_F(DisplayTest, ASinkThatIsNotThereIsNamedWithItsPackage) {
  expect_refused<UsageFailure>("no-such-sink", "no-such-sink");
  expect_refused<UsageFailure>("qmlglsink", "apt-get install gstreamer1.0-qt5");
  expect_refused<UsageFailure>("videotestsrc", "--sink videotestsrc");
  expect_refused<UsageFailure>("filesink location=a b !", "--sink");
}

TEST_F(DisplayTest, NoScreenIsSaidWithWhatToDo) {
  unsetenv("WAYLAND_DISPLAY");
  unsetenv("DISPLAY");
  expect_refused<Failure>("", "--sink fakesink");
  setenv("DISPLAY", ":987", 1);
  expect_refused<Failure>("", "--sink fakesink");
  unsetenv("DISPLAY");
}

}  // namespace
}  // namespace digfusion::pipelines
