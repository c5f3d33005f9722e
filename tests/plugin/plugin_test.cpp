// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The plugin as a file: what scanning it loads, and that pipelines with it leak nothing.
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "tests/plugin/rig.h"

namespace digfusion::test {
namespace {

/// Runs a program of GStreamer's with the test's environment and these additions; its standard error.
std::string standard_error_of(const std::vector<std::string>& words,
                              const std::vector<std::pair<std::string, std::string>>& additions,
                              int& status) {
  std::vector<gchar*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<gchar*>(word.c_str()));
  argv.push_back(nullptr);
  gchar** environment = g_get_environ();
  for (const auto& [name, value] : additions)
    environment = g_environ_setenv(environment, name.c_str(), value.c_str(), TRUE);
  gchar* text = nullptr;
  GError* error = nullptr;
  status = -1;
  if (!g_spawn_sync(nullptr, argv.data(), environment,
                    static_cast<GSpawnFlags>(G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL), nullptr,
                    nullptr, nullptr, &text, &status, &error)) {
    ADD_FAILURE() << error->message;
    g_error_free(error);
  }
  g_strfreev(environment);
  std::string result = text ? text : "";
  g_free(text);
  return result;
}

TEST(Plugin, ScanningItLoadsNeitherTorchNorTheCore) {
  // A process of its own: this one may have loaded the core. It prints every library that the linker opens.
  int status = 0;
  const std::string opened = standard_error_of({"gst-inspect-1.0", "digfusion"},
                                               {{"LD_DEBUG", "files"}, {"GST_REGISTRY_FORK", "no"}}, status);
  EXPECT_EQ(status, 0);
  EXPECT_NE(opened.find("libgstdigfusion.so"), std::string::npos);
  for (const char* library : {"libtorch", "libc10", "libdigfusion.so", "opencv", "libgstcuda", "gstcuda.so"})
    EXPECT_EQ(opened.find(library), std::string::npos) << library;
}

TEST(Plugin, CanBeInspectedWithoutACore) {
  int status = 0;
  standard_error_of({"gst-inspect-1.0", "digfusion"}, {{"DIGFUSION_CORE", "/nonexistent"}}, status);
  EXPECT_EQ(status, 0);
}

TEST(Plugin, HasItsLicenceAndVersion) {
  GstPlugin* plugin = gst_registry_find_plugin(gst_registry_get(), "digfusion");
  ASSERT_TRUE(plugin);
  EXPECT_STREQ(gst_plugin_get_license(plugin), "LGPL");
  EXPECT_STREQ(gst_plugin_get_version(plugin), DIGFUSION_VERSION);
  gst_object_unref(plugin);
}

std::string leaks_of(const std::string& pipeline,
                     const std::vector<std::pair<std::string, std::string>>& additions) {
  std::vector<std::string> words = {"gst-launch-1.0", "-q"};
  gchar** parts = g_strsplit(pipeline.c_str(), " ", 0);
  for (gchar** part = parts; *part; ++part) words.emplace_back(*part);
  g_strfreev(parts);
  auto environment = additions;
  environment.insert(environment.end(),
                     {{"GST_TRACERS", "leaks"}, {"GST_DEBUG", "GST_TRACER:7"}, {"GST_DEBUG_NO_COLOR", "1"}});
  int status = 0;
  const std::string log = standard_error_of(words, environment, status);
  // The tracer must have been there for its silence to mean anything.
  EXPECT_NE(log.find("object-alive.class"), std::string::npos) << log.substr(0, 2000);
  std::string leaks;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);)
    if (line.find("object-alive, ") != std::string::npos &&
        line.find("new format string") == std::string::npos)
      leaks += line + "\n";
  return leaks;
}

constexpr const char* two_streams =
    "digfusion name=f ! fakesink videotestsrc num-buffers=30 ! video/x-raw,format=I420,width=64,height=48 ! "
    "f.visible "
    "videotestsrc num-buffers=20 ! video/x-raw,format=GRAY8,width=32,height=32 ! f.infrared";

TEST(Leaks, APipelineLeavesNothingAlive) { EXPECT_EQ(leaks_of(two_streams, {}), ""); }

TEST(Leaks, AFailingPipelineLeavesNothingAlive) {
  EXPECT_EQ(leaks_of(two_streams, {{"DIGFUSION_FAKE_FAIL", "-1"}}), "");
  EXPECT_EQ(leaks_of(two_streams, {{"DIGFUSION_FAKE_LOAD_ERROR", "no"}}), "");
  EXPECT_EQ(leaks_of(two_streams, {{"DIGFUSION_CORE", "/nonexistent"}}), "");
}

}  // namespace
}  // namespace digfusion::test
