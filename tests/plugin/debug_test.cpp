// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What GST_DEBUG shows: nothing at WARNING while all is well, and at INFO what somebody with a problem looks
// for.
#include <gtest/gtest.h>

#include <mutex>
#include <string>
#include <vector>

#include "tests/plugin/rig.h"

namespace digfusion::test {
namespace {

/// Everything that is logged while it lives, by anybody, with our own categories in full.
class Log {
 public:
  Log() {
    gst_debug_set_active(TRUE);
    gst_debug_remove_log_function(gst_debug_log_default);
    gst_debug_set_default_threshold(GST_LEVEL_WARNING);
    gst_debug_set_threshold_for_name("digfusion", GST_LEVEL_LOG);
    gst_debug_add_log_function(&add, this, nullptr);
  }
  ~Log() {
    gst_debug_remove_log_function_by_data(this);
    gst_debug_unset_threshold_for_name("digfusion");
    gst_debug_add_log_function(gst_debug_log_default, nullptr, nullptr);
  }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// Lines of that level or a worse one.
  std::vector<std::string> lines(GstDebugLevel level) const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> result;
    for (const auto& [of, line] : lines_)
      if (of <= level) result.push_back(line);
    return result;
  }

 private:
  static void add(GstDebugCategory* category, GstDebugLevel level, const gchar*, const gchar*, gint, GObject*,
                  GstDebugMessage* message, gpointer user) {
    auto& self = *static_cast<Log*>(user);
    const std::lock_guard lock(self.mutex_);
    self.lines_.emplace_back(
        level, std::string(gst_debug_category_get_name(category)) + ": " + gst_debug_message_get(message));
  }
  mutable std::mutex mutex_;
  std::vector<std::pair<GstDebugLevel, std::string>> lines_;
};

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

TEST(Debug, IsSilentAtWarningAndTellsAtInfoWhatHappensWhenAllIsWell) {
  const Log log;
  const Result result = fuse_streams({pictures(50, 25)}, {pictures(50, 25, 0, 100)});
  EXPECT_EQ(result.frames.size(), 50u);
  EXPECT_EQ(joined(log.lines(GST_LEVEL_WARNING)), "");
  const std::string info = joined(log.lines(GST_LEVEL_INFO));
  for (const char* word : {"video/x-raw", "first picture, by fake in float32", "latency", "50 pictures sent"})
    EXPECT_NE(info.find(word), std::string::npos) << word << " in:\n" << info;
  EXPECT_LT(log.lines(GST_LEVEL_INFO).size(), 15u) << "not for every picture";
  EXPECT_GE(log.lines(GST_LEVEL_LOG).size(), 100u);
}

TEST(Debug, IsSilentAtWarningAlsoWithTwoRatesGapsAndAnEnd) {
  const Log log;
  Stream infrared{pictures(9, 9, 0, 100)};
  infrared.pictures.erase(infrared.pictures.begin() + 3);
  EXPECT_EQ(fuse_streams({pictures(60, 30)}, infrared, "noise=0").frames.size(), 60u);
  EXPECT_EQ(joined(log.lines(GST_LEVEL_WARNING)), "");
}

TEST(Debug, ALossAndARecoveryAreTold) {
  const Log log;
  Stream infrared{pictures(10, 10, 0, 100)};
  for (const Picture& p : pictures(10, 10, 4 * GST_SECOND, 150)) infrared.pictures.push_back(p);
  fuse_streams({pictures(50, 10)}, infrared, "infrared-loss-policy=blank");
  const std::string info = joined(log.lines(GST_LEVEL_INFO));
  EXPECT_NE(info.find("digfusion-infrared-lost"), std::string::npos) << info;
  EXPECT_NE(info.find("digfusion-infrared-recovered"), std::string::npos) << info;
}

}  // namespace
}  // namespace digfusion::test
