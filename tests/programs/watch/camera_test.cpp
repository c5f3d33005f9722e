// SPDX-License-Identifier: LGPL-2.1-or-later
//
// digfusion-watch and cameras that serve, refuse, die, come back, and never answer.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/core/metrics/temporary_folder.h"
#include "tests/programs/child.h"

namespace digfusion::test {
namespace {

/// A server of both cameras.
class Server {
 public:
  explicit Server(std::vector<std::string> arguments = {}, int port = 0) {
    arguments.insert(arguments.begin(),
                     {environment("DIGFUSION_RTSP_SERVER"), "--port", std::to_string(port)});
    child_.emplace(arguments);
    if (!child_->out_has("\n")) throw std::runtime_error("the server doesn't start: " + child_->err());
    port_ = std::stoi(child_->out().substr(std::string("port ").size()));
  }
  int port() const { return port_; }
  std::string address(const std::string& view, const std::string& credentials = "") const {
    return "rtsp://" + credentials + "127.0.0.1:" + std::to_string(port_) + "/" + view;
  }

 private:
  std::optional<Child> child_;
  int port_ = 0;
};

/// Takes connections, as the system does for it, and never says a word.
class Mute {
 public:
  Mute() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(socket_, 50) != 0 ||
        getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("no port to listen at");
    port_ = ntohs(address.sin_port);
  }
  ~Mute() { close(socket_); }
  Mute(const Mute&) = delete;
  Mute& operator=(const Mute&) = delete;
  std::string address() const { return "rtsp://127.0.0.1:" + std::to_string(port_) + "/camera"; }

 private:
  int socket_, port_ = 0;
};

std::vector<std::string> watch(const std::string& visible, const std::string& infrared,
                               const std::vector<std::string>& more = {}) {
  std::vector<std::string> command = {DIGFUSION_WATCH,    visible, infrared, "--sink", "fakesink",
                                      "--rtsp-transport", "tcp"};
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

TEST(WatchCameraTest, CamerasThatAskForAPasswordAreWatched) {
  const TemporaryFolder folder;
  const std::string file = folder.path / "credentials";
  std::ofstream(file) << "visible guard s3cret\ninfrared guard s3cret\n";
  chmod(file.c_str(), 0600);
  const std::string picture = folder.path / "picture.png";
  Server server({"--user", "guard", "--password", "s3cret", "--digest"});
  Child child(watch(server.address("visible"), server.address("infrared"),
                    {"--credentials", file, "--frames", "20", "--statistics", "--snapshot", picture}));
  EXPECT_EQ(child.wait(), 0) << child.err();
  EXPECT_TRUE(child.err_has("160x120")) << child.err();
  EXPECT_TRUE(read_text(picture).starts_with("\x89PNG"));
}

TEST(WatchCameraTest, AWrongPasswordIsSaidAndNotShown) {
  Server server({"--user", "guard", "--password", "s3cret"});
  Child child(watch(server.address("visible", "guard:gu3ss@"), server.address("infrared", "guard:gu3ss@")));
  EXPECT_EQ(child.wait(), 1);
  EXPECT_NE(child.err().find("password"), std::string::npos) << child.err();
  EXPECT_EQ(child.err().find("gu3ss"), std::string::npos) << child.err();
}

TEST(WatchCameraTest, AServerThatDiesAndComesBackIsWatchedAgain) {
  std::optional<Server> server(std::in_place);
  const int port = server->port();
  const std::string infrared = server->address("infrared");
  Child child(watch(server->address("visible"), infrared, {"--frames", "120"}));
  ASSERT_TRUE(child.err_has(infrared + ": pictures come, 160x120")) << child.err();
  server.reset();
  ASSERT_TRUE(child.err_has("it is tried again in")) << child.err();
  server.emplace(std::vector<std::string>{}, port);
  ASSERT_TRUE(child.err_has(infrared + ": pictures come again")) << child.err();
  EXPECT_EQ(child.wait(), 0) << child.err();  // the pictures of before wouldn't have been enough
}

TEST(WatchCameraTest, ACameraThatNeverAnswersIsTriedAgainAndHoldsNobodyUp) {
  const Mute visible, infrared;
  Child child(watch(visible.address(), infrared.address(), {"--timeout", "1"}));
  for (const std::string& camera :
       {"visible camera " + visible.address(), "infrared camera " + infrared.address()})
    EXPECT_TRUE(child.err_has("the " + camera + ": ")) << child.err();
  EXPECT_NE(child.err().find("; it is tried again in "), std::string::npos) << child.err();
  child.signal(SIGINT);
  EXPECT_EQ(child.wait(Child::Seconds(20)), 0) << child.err();
}

TEST(WatchCameraTest, NoScreenIsSaidAtOnce) {
  Child child({DIGFUSION_WATCH, "--test"}, {{"DISPLAY", ""}, {"WAYLAND_DISPLAY", ""}});
  EXPECT_EQ(child.wait(), 1);
  EXPECT_NE(child.err().find("there is no screen"), std::string::npos) << child.err();
}

TEST(WatchCameraTest, WhatCannotBeWrittenIsSaidBeforeTheStart) {
  for (const char* option : {"--pictures=/no/such/folder", "--snapshot=/no/such/folder/a.png"}) {
    Child child({DIGFUSION_WATCH, "--test", "--sink", "fakesink", option});
    EXPECT_EQ(child.wait(), 2);
    EXPECT_NE(child.err().find("there is no folder /no/such/folder"), std::string::npos) << child.err();
  }
}

}  // namespace
}  // namespace digfusion::test
