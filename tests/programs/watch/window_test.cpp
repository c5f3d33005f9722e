// SPDX-License-Identifier: LGPL-2.1-or-later
//
// digfusion-watch in a real window, looked at and used from outside. The fake core's fused picture is the
// visible one above and infrared below.
#include <gtest/gtest.h>

#include "tests/core/metrics/temporary_folder.h"
#include "tests/programs/watch/screen.h"

namespace digfusion::test {
namespace {

class WindowTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!Screen::is_there()) GTEST_SKIP() << "Xvfb isn't installed: apt-get install xvfb";
    screen_.emplace();
  }

  void start(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {DIGFUSION_WATCH, "--test", "smoke", "--size", "160x120"});
    watch_.emplace(arguments, std::vector<std::pair<std::string, std::string>>{{"DISPLAY", screen_->name()},
                                                                               {"WAYLAND_DISPLAY", ""}});
    ASSERT_TRUE(screen_->find("test scene smoke")) << watch_->err();
  }

  std::optional<Screen> screen_;
  std::optional<Child> watch_;
  TemporaryFolder folder_;
};

// Texts stand in the lowest part.
bool is_grey(const Picture& seen) { return seen.rows() == seen.height && seen.colourfulness(0, 0.7) < 2; }
bool is_coloured(const Picture& seen) { return seen.colourfulness(0, 0.7) > 8; }

TEST_F(WindowTest, KeysChooseWhatIsShown) {
  start({"--view", "infrared"});
  EXPECT_TRUE(screen_->shows(is_grey));
  EXPECT_EQ(screen_->picture().width, 640);  // small pictures are enlarged
  EXPECT_EQ(screen_->picture().height, 480);
  screen_->press(XK_v);
  EXPECT_TRUE(screen_->shows(is_coloured));
  screen_->press(XK_i);
  EXPECT_TRUE(screen_->shows(is_grey));
  screen_->press(XK_f);
  EXPECT_TRUE(screen_->shows(is_coloured));
  // Three pictures in a row keep their shape: a strip as high as a third of the window.
  screen_->press(XK_s);
  EXPECT_TRUE(screen_->shows([](const Picture& seen) { return seen.rows() == 160; }));
  screen_->resize(1200, 300);
  EXPECT_TRUE(screen_->shows([](const Picture& seen) { return seen.width == 1200 && seen.rows() == 300; }));
  screen_->press(XK_q);
  EXPECT_EQ(watch_->wait(), 0) << watch_->err();
}

TEST_F(WindowTest, StatisticsComeAndGo) {
  start({"--view", "infrared"});
  ASSERT_TRUE(screen_->shows(is_grey));
  // Nothing in the infrared scene is as black as what backs the letters, and as white as these.
  const auto texts = [](const Picture& seen) {
    int black = 0, white = 0;
    for (int y = 0; y < seen.height / 4; ++y)
      for (int x = 0; x < seen.width / 2; ++x) {
        const int level = seen.pixels[std::size_t(y) * seen.width + x][0];
        black += level < 5;
        white += level > 240;
      }
    return black > 2000 && white > 200;
  };
  EXPECT_FALSE(texts(screen_->picture()));
  screen_->press(XK_t);
  EXPECT_TRUE(screen_->shows(texts));
  screen_->press(XK_t);
  EXPECT_TRUE(screen_->shows([&](const Picture& seen) { return is_grey(seen) && !texts(seen); }));
  screen_->press(XK_slash);  // where "?" is
  EXPECT_TRUE(watch_->err_has("p  save the picture"));
  EXPECT_TRUE(screen_->shows(texts));
}

TEST_F(WindowTest, APictureIsSavedWithItsTime) {
  start({"--pictures", folder_.path});
  ASSERT_TRUE(screen_->shows(is_coloured));
  screen_->press(XK_p);
  ASSERT_TRUE(watch_->err_has("saved " + (folder_.path / "fused_2").string())) << watch_->err();
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path))
    EXPECT_TRUE(read_text(entry.path()).starts_with("\x89PNG"));
  screen_->press(XK_Escape);
  EXPECT_EQ(watch_->wait(), 0) << watch_->err();
}

TEST_F(WindowTest, ClosingTheWindowEndsTheProgram) {
  start({});
  ASSERT_TRUE(screen_->shows(is_coloured));
  screen_->close();
  EXPECT_EQ(watch_->wait(), 0) << watch_->err();
  EXPECT_EQ(watch_->err().find("window"), watch_->err().rfind("window")) << watch_->err();
}

}  // namespace
}  // namespace digfusion::test
