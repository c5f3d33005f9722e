// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One camera against servers that are well, ill, gone, or aren't cameras at all.
#include "pipelines/common/camera.h"

#include <gio/gio.h>
#include <gmock/gmock.h>

#include <atomic>
#include <fstream>
#include <mutex>
#include <optional>

#include "pipelines/common/failure.h"
#include "tests/programs/common/bench.h"

namespace digfusion::pipelines {
namespace {

using test::run_until;
using test::Server;
using testing::HasSubstr;
using namespace std::chrono_literals;

class CameraTest : public test::GstTest {
 protected:
  SourceOptions options = [] {
    SourceOptions quick;
    quick.timeout = 2s;
    quick.jitter_buffer = 50ms;
    quick.rtsp_transport = "tcp";
    return quick;
  }();
};

/// A camera alone, and what came of it.
struct Watched {
  Watched(const std::string& address, const SourceOptions& options, bool paced = true)
      : camera(std::in_place, program, "visible", parse_address(address, "--visible"), options, paced,
               Camera::Callbacks{[this](const Frame& frame) { on_frame(frame); },
                                 [this](const CameraStatus& status) { states.push_back(status.state); }}) {
    base_time = gst_clock_get_time(clock.get());
    camera->start(clock.get(), base_time);
  }

  void on_frame(const Frame& frame) {
    const std::lock_guard lock(mutex);
    last_time = frame.time();
    // How far its time is behind the present.
    age = static_cast<double>(gst_clock_get_time(clock.get()) - base_time) / GST_SECOND -
          static_cast<double>(frame.time()) / GST_SECOND;
    ++frames;
  }
  bool reaches(CameraState state, test::Seconds limit = 30s) {
    return run_until([&] { return camera->status().state == state; }, limit);
  }

  Program program{"test", true};
  ObjectPtr<GstClock> clock{gst_system_clock_obtain()};
  GstClockTime base_time = 0;
  std::mutex mutex;
  GstClockTime last_time = 0;
  double age = 0;
  std::atomic<int> frames{0};
  std::vector<CameraState> states;  ///< that were told
  std::optional<Camera> camera;
};

TEST_F(CameraTest, BackOffGrowsToHalfAMinuteAndBeginsAnew) {
  BackOff back_off(1);
  for (const auto longest : {1s, 2s, 4s, 8s, 16s, 30s, 30s, 30s}) {
    const auto pause = back_off.next();
    EXPECT_LE(pause, longest);
    EXPECT_GE(pause, longest * 3 / 4);
  }
  back_off.reset();
  EXPECT_LE(back_off.next(), 1s);
  BackOff other(2);
  EXPECT_NE(BackOff(1).next(), other.next());
}

TEST_F(CameraTest, PicturesOfAnRtspCameraHaveTheTimeOfNow) {
  const Server server;
  for (const char* transport : {"auto", "tcp"}) {
    SCOPED_TRACE(transport);
    options.rtsp_transport = transport;
    Watched watched(server.address("visible"), options);
    ASSERT_TRUE(run_until([&] { return watched.frames > 10; }));
    ASSERT_TRUE(watched.reaches(CameraState::playing));
    const CameraStatus status = watched.camera->status();
    EXPECT_EQ(status.width, 160);
    EXPECT_EQ(status.height, 120);
    EXPECT_EQ(status.problem, "");
    EXPECT_THAT(watched.states, testing::ElementsAre(CameraState::connecting, CameraState::playing));
    EXPECT_LT(std::abs(watched.age), 2);
  }
}

TEST_F(CameraTest, CredentialsAreSent) {
  for (const char* method : {"--user", "--digest"}) {
    SCOPED_TRACE(method);
    test::Words asks{"--user", "eve", "--password", "p@s/s :%"};
    if (std::string(method) == "--digest") asks.push_back("--digest");
    const Server server(asks);
    Watched watched(server.address("visible", "eve:p@s%2Fs %3A%25"), options);
    EXPECT_TRUE(watched.reaches(CameraState::playing));
    EXPECT_THAT(watched.camera->description(), HasSubstr("rtsp://eve:***@127.0.0.1"));
  }
}

TEST_F(CameraTest, WhatDoesNotHealByItselfIsNotTriedAgain) {
  const Server server({"--user", "eve", "--password", "right"});
  const struct {
    const char *path, *user, *part;
  } rows[] = {{"visible", "eve:wrong", "refused"},
              {"visible", "", "asks for a user name and a password"},
              {"nothing", "eve:right", "nothing at this address"}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.part);
    Watched watched(server.address(row.path, row.user), options);
    ASSERT_TRUE(watched.reaches(CameraState::failed));
    EXPECT_THAT(watched.camera->status().problem, HasSubstr(row.part));
    EXPECT_EQ(watched.camera->status().problem.find("wrong"), std::string::npos);
  }
}

TEST_F(CameraTest, AServerThatDiesAndComesBackGivesPicturesAgain) {
  std::optional<Server> server(std::in_place);
  const int port = server->port;
  Watched watched(server->address("visible"), options);
  ASSERT_TRUE(watched.reaches(CameraState::playing));
  server->child.signal(SIGKILL);
  ASSERT_TRUE(watched.reaches(CameraState::waiting));
  EXPECT_NE(watched.camera->status().problem, "");
  EXPECT_GT(watched.camera->status().next_try, 0ms);
  EXPECT_LE(watched.camera->status().next_try, 1s);
  server.emplace(test::Words{}, port);
  const int before = watched.frames;
  ASSERT_TRUE(run_until([&] { return watched.frames > before + 10; }));
  ASSERT_TRUE(watched.reaches(CameraState::playing));
  EXPECT_EQ(watched.camera->status().reconnects, 1u);
  EXPECT_EQ(watched.camera->status().problem, "");
  // Not the time since the reconnection.
  EXPECT_LT(std::abs(watched.age), 2);
}

TEST_F(CameraTest, ACameraThatFallsSilentIsTriedAgain) {
  const Server server;
  options.timeout = 1s;
  Watched watched(server.address("visible"), options);
  ASSERT_TRUE(watched.reaches(CameraState::playing));
  const_cast<Server&>(server).child.signal(SIGUSR1);
  ASSERT_TRUE(watched.reaches(CameraState::waiting));
  EXPECT_THAT(watched.camera->status().problem, HasSubstr("no picture for 1 s"));
  const_cast<Server&>(server).child.signal(SIGUSR1);
  EXPECT_TRUE(watched.reaches(CameraState::playing));
}

/// Accepts connections and never says a word.
class MuteServer {
 public:
  MuteServer() : listener_(g_socket_listener_new()) {
    GInetAddress* loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
    GSocketAddress* address = g_inet_socket_address_new(loopback, 0);
    GSocketAddress* bound = nullptr;
    g_socket_listener_add_address(listener_, address, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, nullptr,
                                  &bound, nullptr);
    port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound));
    g_object_unref(bound);
    g_object_unref(address);
    g_object_unref(loopback);
    accept();
  }
  ~MuteServer() {
    g_cancellable_cancel(cancellable_);
    run_until([this] { return !accepting_; });
    for (GSocketConnection* connection : connections_) g_object_unref(connection);
    g_object_unref(listener_);
    g_object_unref(cancellable_);
  }
  std::size_t tries() const { return connections_.size(); }
  int port = 0;

 private:
  void accept() {
    accepting_ = true;
    g_socket_listener_accept_async(
        listener_, cancellable_,
        [](GObject*, GAsyncResult* result, gpointer data) {
          auto& self = *static_cast<MuteServer*>(data);
          self.accepting_ = false;
          GSocketConnection* connection =
              g_socket_listener_accept_finish(self.listener_, result, nullptr, nullptr);
          if (!connection) return;
          self.connections_.push_back(connection);
          self.accept();
        },
        this);
  }
  GSocketListener* listener_;
  GCancellable* cancellable_ = g_cancellable_new();
  std::vector<GSocketConnection*> connections_;
  bool accepting_ = false;
};

TEST_F(CameraTest, AServerThatNeverAnswersIsTriedAgainLessAndLessOften) {
  MuteServer server;
  options.timeout = 500ms;
  std::optional<Watched> watched(std::in_place, "rtsp://127.0.0.1:" + std::to_string(server.port) + "/",
                                 options);
  std::vector<std::chrono::milliseconds> pauses;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(watched->reaches(CameraState::waiting));
    pauses.push_back(watched->camera->status().next_try);
    EXPECT_NE(watched->camera->status().problem, "");
    ASSERT_TRUE(watched->reaches(CameraState::connecting));
  }
  EXPECT_GT(pauses[0], 500ms);
  EXPECT_GT(pauses[1], pauses[0]);
  EXPECT_GE(server.tries(), 2u);
  // While it is connecting.
  const auto begin = std::chrono::steady_clock::now();
  watched.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

TEST_F(CameraTest, ARefusedConnectionIsTriedAgain) {
  Watched watched("rtsp://127.0.0.1:1/", options);
  ASSERT_TRUE(watched.reaches(CameraState::waiting));
  EXPECT_THAT(watched.camera->status().problem, HasSubstr("can't be reached"));
}

/// Half a second of a scene.
std::string make_video(const test::TemporaryFolder& folder, const std::string& encode) {
  const std::string path = folder.at("video.mkv");
  const std::string line =
      "digtestsrc num-buffers=12 name=s s.visible ! "
      "video/x-raw,width=64,height=48,framerate=25/1 ! videoconvert ! " +
      encode + " ! matroskamux ! filesink location=" + path;
  const ObjectPtr<GstElement> pipeline(
      GST_ELEMENT(gst_object_ref_sink(gst_parse_launch(line.c_str(), nullptr))));
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  const ObjectPtr<GstBus> bus(gst_element_get_bus(pipeline.get()));
  const MiniPtr<GstMessage> message(
      gst_bus_timed_pop_filtered(bus.get(), 30 * GST_SECOND,
                                 static_cast<GstMessageType>(int{GST_MESSAGE_EOS} | int{GST_MESSAGE_ERROR})));
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  EXPECT_TRUE(message && GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS);
  return path;
}

TEST_F(CameraTest, AFileComesWholeAndEnds) {
  const test::TemporaryFolder folder;
  Watched watched(make_video(folder, "jpegenc"), options, false);
  ASSERT_TRUE(watched.reaches(CameraState::ended));
  EXPECT_EQ(watched.frames, 12);
  EXPECT_EQ(watched.last_time, 11 * 40 * GST_MSECOND);
  EXPECT_THAT(watched.states,
              testing::ElementsAre(CameraState::connecting, CameraState::playing, CameraState::ended));
}

TEST_F(CameraTest, APacedFileTakesItsTime) {
  const test::TemporaryFolder folder;
  const std::string video = make_video(folder, "jpegenc");
  const auto begin = std::chrono::steady_clock::now();
  Watched watched(video, options, true);
  ASSERT_TRUE(watched.reaches(CameraState::ended));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 430ms);
}

TEST_F(CameraTest, WhatIsNoVideoSaysSo) {
  const test::TemporaryFolder folder;
  std::ofstream(folder.at("text.mp4")) << std::string(5000, 'x') << "\nfar from it\n";
  Watched watched(folder.at("text.mp4"), options, false);
  ASSERT_TRUE(watched.reaches(CameraState::failed));
  EXPECT_THAT(watched.camera->status().problem, HasSubstr("isn't a video"));
}

TEST_F(CameraTest, AMissingCodecIsNamedWithItsPackage) {
  const test::TemporaryFolder folder;
  const std::string video = make_video(folder, "x264enc");
  // As if nothing that decodes H.264 were installed.
  const MiniPtr<GstCaps> caps(gst_caps_from_string("video/x-h264"));
  GList* all = gst_element_factory_list_get_elements(GST_ELEMENT_FACTORY_TYPE_DECODER, GST_RANK_MARGINAL);
  GList* fitting = gst_element_factory_list_filter(all, caps.get(), GST_PAD_SINK, FALSE);
  std::vector<std::pair<GstPluginFeature*, guint>> ranks;
  for (GList* item = fitting; item; item = item->next) {
    auto* feature = GST_PLUGIN_FEATURE(item->data);
    ranks.emplace_back(feature, gst_plugin_feature_get_rank(feature));
    gst_plugin_feature_set_rank(feature, GST_RANK_NONE);
  }
  EXPECT_FALSE(ranks.empty());
  Watched watched(video, options, false);
  EXPECT_TRUE(watched.reaches(CameraState::failed));
  EXPECT_THAT(watched.camera->status().problem,
              testing::AllOf(HasSubstr("H.264"), HasSubstr("apt-get install gstreamer1.0-libav")));
  for (const auto& [feature, rank] : ranks) gst_plugin_feature_set_rank(feature, rank);
  gst_plugin_feature_list_free(fitting);
  gst_plugin_feature_list_free(all);
}

}  // namespace
}  // namespace digfusion::pipelines
