// SPDX-License-Identifier: LGPL-2.1-or-later
//
// digfusion-rtsp-server: two cameras for tests, rtsp://127.0.0.1:PORT/visible and /infrared, that look at one
// generated scene. The scene runs and is encoded once, however many clients there are. Prints "port N" on
// standard output once it can be connected to. SIGUSR1 makes it fall silent, and speak again.
#include <glib-unix.h>
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/rtsp-server/rtsp-server.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <list>
#include <mutex>
#include <string>

namespace {

struct Options {
  int port = 0, width = 160, height = 120, rate = 25;
  double silent_after = 0;
  std::string user, password, codec = "h264", pattern = "smoke";
  bool digest = false;
};

std::atomic<bool> silent{false};

/// One view: what comes out of the encoder goes to every client's pipeline.
class Mount {
 public:
  void add(GstAppSrc* source) {
    const std::lock_guard lock(mutex_);
    sources_.push_back(source);
  }
  void remove(GstAppSrc* source) {
    const std::lock_guard lock(mutex_);
    sources_.remove(source);
  }
  void push(GstSample* sample) {
    if (silent) return;
    const std::lock_guard lock(mutex_);
    for (GstAppSrc* source : sources_) {
      // On the way to PLAYING it may have a clock and no base time yet: a stamp hours ahead, and silence.
      if (GST_STATE(source) != GST_STATE_PLAYING) continue;
      gst_app_src_set_caps(source, gst_sample_get_caps(sample));
      // Stamped anew by the client's pipeline, with the time of its own clock.
      GstBuffer* buffer = gst_buffer_copy(gst_sample_get_buffer(sample));
      GST_BUFFER_PTS(buffer) = GST_BUFFER_DTS(buffer) = GST_CLOCK_TIME_NONE;
      gst_app_src_push_buffer(source, buffer);
    }
  }

 private:
  std::mutex mutex_;
  std::list<GstAppSrc*> sources_;  ///< each until its media has gone
};

Mount mounts[2];
constexpr const char* names[2] = {"visible", "infrared"};

std::string encoder(const Options& options) {
  if (options.codec == "jpeg") return "jpegenc";
  // A key picture every half second: so long a client that comes late waits.
  return "x264enc tune=zerolatency speed-preset=ultrafast threads=1 bitrate=1000 key-int-max=" +
         std::to_string(std::max(1, options.rate / 2)) + " ! video/x-h264,profile=baseline";
}

GstElement* start_scene(const Options& options) {
  std::string line = "digtestsrc is-live=true name=s pattern=" + options.pattern;
  for (const char* name : names)
    line += " s." + std::string(name) + " ! video/x-raw,width=" + std::to_string(options.width) +
            ",height=" + std::to_string(options.height) + ",framerate=" + std::to_string(options.rate) +
            "/1 ! videoconvert ! video/x-raw,format=I420 ! queue ! " + encoder(options) +
            " ! appsink sync=false name=" + name;
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(line.c_str(), &error);
  if (error) {
    std::fprintf(stderr, "digfusion-rtsp-server: %s\n", error->message);
    std::exit(1);
  }
  for (int i = 0; i < 2; ++i) {
    GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), names[i]);
    GstAppSinkCallbacks callbacks{};
    callbacks.new_sample = [](GstAppSink* from, gpointer mount) {
      if (GstSample* sample = gst_app_sink_pull_sample(from)) {
        static_cast<Mount*>(mount)->push(sample);
        gst_sample_unref(sample);
      }
      return GST_FLOW_OK;
    };
    gst_app_sink_set_callbacks(GST_APP_SINK(sink), &callbacks, &mounts[i], nullptr);
    gst_object_unref(sink);
  }
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  return pipeline;
}

void configure(GstRTSPMediaFactory*, GstRTSPMedia* media, Mount* mount) {
  GstElement* bin = gst_rtsp_media_get_element(media);
  auto* source = GST_APP_SRC(gst_bin_get_by_name_recurse_up(GST_BIN(bin), "source"));
  gst_object_unref(bin);
  mount->add(source);
  g_object_set_data_full(G_OBJECT(media), "source", source, gst_object_unref);
  g_signal_connect(media, "unprepared", G_CALLBACK(+[](GstRTSPMedia* gone, Mount* from) {
                     from->remove(GST_APP_SRC(g_object_get_data(G_OBJECT(gone), "source")));
                   }),
                   mount);
}

void add_mount(GstRTSPServer* server, int index, const Options& options) {
  GstRTSPMountPoints* points = gst_rtsp_server_get_mount_points(server);
  GstRTSPMediaFactory* factory = gst_rtsp_media_factory_new();
  const std::string payloader =
      options.codec == "jpeg" ? "jpegparse ! rtpjpegpay" : "h264parse ! rtph264pay config-interval=-1";
  const std::string line =
      "( appsrc name=source is-live=true format=time do-timestamp=true ! " + payloader + " name=pay0 pt=96 )";
  gst_rtsp_media_factory_set_launch(factory, line.c_str());
  gst_rtsp_media_factory_set_shared(factory, TRUE);
  if (!options.user.empty())
    gst_rtsp_media_factory_add_role(factory, "viewer", GST_RTSP_PERM_MEDIA_FACTORY_ACCESS, G_TYPE_BOOLEAN,
                                    TRUE, GST_RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, G_TYPE_BOOLEAN, TRUE,
                                    nullptr);
  g_signal_connect(factory, "media-configure", G_CALLBACK(configure), &mounts[index]);
  gst_rtsp_mount_points_add_factory(points, (std::string("/") + names[index]).c_str(), factory);
  g_object_unref(points);
}

void ask_for_password(GstRTSPServer* server, const Options& options) {
  GstRTSPAuth* auth = gst_rtsp_auth_new();
  GstRTSPToken* token =
      gst_rtsp_token_new(GST_RTSP_TOKEN_MEDIA_FACTORY_ROLE, G_TYPE_STRING, "viewer", nullptr);
  if (options.digest) {
    gst_rtsp_auth_set_supported_methods(auth, GST_RTSP_AUTH_DIGEST);
    gst_rtsp_auth_add_digest(auth, options.user.c_str(), options.password.c_str(), token);
  } else {
    gchar* basic = gst_rtsp_auth_make_basic(options.user.c_str(), options.password.c_str());
    gst_rtsp_auth_add_basic(auth, basic, token);
    g_free(basic);
  }
  gst_rtsp_token_unref(token);
  gst_rtsp_server_set_auth(server, auth);
  g_object_unref(auth);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Two test cameras: rtsp://127.0.0.1:PORT/visible and /infrared");
  app.add_option("--port", options.port, "0: one that is free");
  app.add_option("--user", options.user, "ask for this user name");
  app.add_option("--password", options.password, "and this password");
  app.add_flag("--digest", options.digest, "by digest authentication, not basic");
  app.add_option("--width", options.width, "of the pictures");
  app.add_option("--height", options.height, "of the pictures");
  app.add_option("--rate", options.rate, "pictures a second");
  app.add_option("--pattern", options.pattern, "of digtestsrc");
  app.add_option("--codec", options.codec, "h264 or jpeg")->check(CLI::IsMember({"h264", "jpeg"}));
  app.add_option("--silent-after", options.silent_after, "seconds until nothing more is sent; 0: never");
  CLI11_PARSE(app, argc, argv);

  gst_init(nullptr, nullptr);
  GMainLoop* loop = g_main_loop_new(nullptr, FALSE);
  GstElement* scene = start_scene(options);
  GstRTSPServer* server = gst_rtsp_server_new();
  gst_rtsp_server_set_address(server, "127.0.0.1");
  gst_rtsp_server_set_service(server, std::to_string(options.port).c_str());
  if (!options.user.empty()) ask_for_password(server, options);
  for (int i = 0; i < 2; ++i) add_mount(server, i, options);
  if (gst_rtsp_server_attach(server, nullptr) == 0) {
    std::fprintf(stderr, "digfusion-rtsp-server: the port %d is taken\n", options.port);
    return 1;
  }
  const auto toggle = [](gpointer) -> gboolean {
    silent = !silent;
    return G_SOURCE_CONTINUE;
  };
  g_unix_signal_add(SIGUSR1, toggle, nullptr);
  if (options.silent_after > 0)
    g_timeout_add(
        static_cast<guint>(options.silent_after * 1000),
        [](gpointer) -> gboolean {
          silent = true;
          return G_SOURCE_REMOVE;
        },
        nullptr);
  const auto quit = [](gpointer main_loop) -> gboolean {
    g_main_loop_quit(static_cast<GMainLoop*>(main_loop));
    return G_SOURCE_CONTINUE;
  };
  g_unix_signal_add(SIGINT, quit, loop);
  g_unix_signal_add(SIGTERM, quit, loop);
  std::printf("port %d\n", gst_rtsp_server_get_bound_port(server));
  std::fflush(stdout);
  g_main_loop_run(loop);
  gst_element_set_state(scene, GST_STATE_NULL);
  gst_object_unref(scene);
  g_object_unref(server);
  g_main_loop_unref(loop);
  return 0;
}
