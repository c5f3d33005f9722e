// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What these tests share: GStreamer, a parsed command line, the main loop until something is so, a server.
#pragma once

#include <gst/gst.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "pipelines/common/frame.h"
#include "pipelines/common/main_source.h"
#include "pipelines/common/options.h"
#include "tests/programs/child.h"

namespace digfusion::test {

using Words = std::vector<std::string>;
using Seconds = std::chrono::duration<double>;

class GstTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { gst_init(nullptr, nullptr); }
};

/// A program's command line, with the common options alone.
struct CommandLine {
  explicit CommandLine(Words words) {
    std::reverse(words.begin(), words.end());  // as CLI11 wants them
    app.parse(words);
  }
  CLI::App app;
  pipelines::CommonOptions options{app};
};

/// Runs the default main context until `is_so`; false when it isn't within the limit.
inline bool run_until(const std::function<bool()>& is_so, Seconds limit = Seconds(30)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  const pipelines::MainSource wake_up = pipelines::MainSource::timer(10, [] {});
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > end) return false;
    g_main_context_iteration(nullptr, TRUE);
  }
  return true;
}

/// A gray picture of 32×16, all of one value.
inline pipelines::Frame make_frame(GstClockTime time, int value = 128) {
  const pipelines::MiniPtr<GstCaps> caps(
      gst_caps_from_string("video/x-raw,format=GRAY8,width=32,height=16,framerate=25/1"));
  const pipelines::MiniPtr<GstBuffer> buffer(gst_buffer_new_allocate(nullptr, 32 * 16, nullptr));
  gst_buffer_memset(buffer.get(), 0, static_cast<guint8>(value), 32 * 16);
  GST_BUFFER_PTS(buffer.get()) = time;
  GST_BUFFER_DURATION(buffer.get()) = 40 * GST_MSECOND;
  return pipelines::Frame(buffer.get(), caps.get());
}

/// The two cameras of rtsp_server.cpp.
class Server {
 public:
  explicit Server(Words options = {}, int port = 0) : child(command(std::move(options), port)) {
    if (!child.out_has("port ")) throw std::runtime_error("the server doesn't start: " + child.err());
    // The number is written in one piece with its line.
    this->port = std::stoi(child.out().substr(child.out().find("port ") + 5));
  }
  std::string address(const std::string& path, const std::string& user = {}) const {
    return "rtsp://" + (user.empty() ? "" : user + "@") + "127.0.0.1:" + std::to_string(port) + "/" + path;
  }
  Child child;
  int port = 0;

 private:
  static Words command(Words options, int port) {
    options.insert(options.begin(), {environment("DIGFUSION_RTSP_SERVER"), "--port", std::to_string(port)});
    return options;
  }
};

/// A folder that goes with it.
struct TemporaryFolder {
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "digfusion-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("can't make a folder");
    path = name;
  }
  ~TemporaryFolder() {
    std::error_code error;
    std::filesystem::remove_all(path, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string at(const std::string& name) const { return (path / name).string(); }
  std::filesystem::path path;
};

}  // namespace digfusion::test
