// SPDX-License-Identifier: LGPL-2.1-or-later
//
// digfusion-bench-element WIDTH HEIGHT FRAMES SECONDS RATE [NAME=VALUE]...: frames a second of the element in
// appsrc → digfusion → fakesink on preloaded frames, and the processor time that they took, as JSON. RATE is
// that of the frames when the sink waits for each one's time, or 0 for as fast as it goes. With memory=cuda
// among the properties the visible frames and the fused ones are in CUDA memory, of the context that the
// element computes in. `digfusion bench` and `selftest`, which know no GStreamer, run it. Exit code 77:
// something that it needs isn't there.
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/tools/bench_frames.h"
#include "plugin/own_plugin.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr int different_frames = 4;

/// One stream's frames, in buffers whose memory every use of them shares.
struct Stream {
  std::vector<GstBuffer*> buffers;
  std::uint64_t next = 0;  ///< touched by the source's thread alone
  ~Stream() {
    for (GstBuffer* buffer : buffers)
      if (buffer) gst_buffer_unref(buffer);
  }
};

/// GStreamer has less than is asked for here.
struct Missing : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Bench {
  int frames;
  double seconds;
  int rate;  ///< frames a second, 0 for as fast as it goes
  Stream visible, infrared;
  std::atomic<std::uint64_t> fused = 0;
  std::atomic<Clock::rep> first = 0, last = 0;  ///< times of the first and the last fused frame
  std::atomic<double> processor_first = 0, processor_last = 0;  ///< the process's seconds of processor then
};

double seconds_between(Clock::rep a, Clock::rep b) {
  return std::chrono::duration<double>(Clock::duration(b - a)).count();
}

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Copies planes without padding into a buffer with GStreamer's own strides.
GstBuffer* make_buffer(const GstVideoInfo& info, const std::vector<std::uint8_t>& bytes) {
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&info), nullptr);
  GstVideoFrame frame;
  if (!gst_video_frame_map(&frame, const_cast<GstVideoInfo*>(&info), buffer, GST_MAP_WRITE))
    throw std::runtime_error("can't map a video frame");
  const std::uint8_t* from = bytes.data();
  for (guint c = 0; c < GST_VIDEO_INFO_N_COMPONENTS(&info); ++c) {
    const int width = GST_VIDEO_FRAME_COMP_WIDTH(&frame, c), height = GST_VIDEO_FRAME_COMP_HEIGHT(&frame, c);
    auto* to = static_cast<std::uint8_t*>(GST_VIDEO_FRAME_COMP_DATA(&frame, c));
    for (int y = 0; y < height; ++y, from += width)
      std::copy(from, from + width, to + y * GST_VIDEO_FRAME_COMP_STRIDE(&frame, c));
  }
  gst_video_frame_unmap(&frame);
  return buffer;
}

void push_next(GstAppSrc* source, Stream& stream, int rate) {
  GstBuffer* buffer =
      gst_buffer_copy(stream.buffers[stream.next % stream.buffers.size()]);  // shares the memory
  const GstClockTime duration = GST_SECOND / static_cast<GstClockTime>(rate > 0 ? rate : 30);
  GST_BUFFER_PTS(buffer) = stream.next * duration;
  GST_BUFFER_DURATION(buffer) = duration;
  ++stream.next;
  gst_app_src_push_buffer(source, buffer);
}

void need_visible(GstAppSrc* source, guint, gpointer user) {
  auto& bench = *static_cast<Bench*>(user);
  const bool is_over = bench.fused >= 4 && seconds_between(bench.first, bench.last) >= bench.seconds;
  // The first frame starts the clock.
  if (is_over || bench.visible.next > static_cast<std::uint64_t>(bench.frames))
    gst_app_src_end_of_stream(source);
  else
    push_next(source, bench.visible, bench.rate);
}

// The output ends with the visible stream.
void need_infrared(GstAppSrc* source, guint, gpointer user) {
  auto& bench = *static_cast<Bench*>(user);
  push_next(source, bench.infrared, bench.rate);
}

GstPadProbeReturn count(GstPad*, GstPadProbeInfo*, gpointer user) {
  auto& bench = *static_cast<Bench*>(user);
  bench.last = Clock::now().time_since_epoch().count();
  bench.processor_last = processor_seconds();
  if (bench.fused == 0) {
    bench.first = bench.last.load();
    bench.processor_first = bench.processor_last.load();
  }
  ++bench.fused;
  return GST_PAD_PROBE_OK;
}

using PipelinePtr = std::unique_ptr<GstElement, void (*)(GstElement*)>;

PipelinePtr stopped_at_the_end(GstElement* pipeline) {
  return {pipeline, [](GstElement* element) {
            gst_element_set_state(element, GST_STATE_NULL);
            gst_object_unref(element);
          }};
}

GstElement* make(const char* factory) {
  GstElement* element = gst_element_factory_make(factory, nullptr);
  if (!element) throw Missing(std::string("GStreamer has no element ") + factory);
  return element;
}

GstElement* make_source(GstVideoFormat format, int width, int height,
                        void (*need)(GstAppSrc*, guint, gpointer), Bench& bench, Stream& stream,
                        const std::vector<std::vector<std::uint8_t>>& pictures) {
  GstVideoInfo info;
  gst_video_info_set_format(&info, format, static_cast<guint>(width), static_cast<guint>(height));
  info.fps_n = 30;
  info.fps_d = 1;
  for (const auto& bytes : pictures) stream.buffers.push_back(make_buffer(info, bytes));
  GstElement* source = make("appsrc");
  GstCaps* caps = gst_video_info_to_caps(&info);
  g_object_set(source, "caps", caps, "format", GST_FORMAT_TIME, nullptr);
  gst_caps_unref(caps);
  GstAppSrcCallbacks callbacks{};
  callbacks.need_data = need;
  gst_app_src_set_callbacks(GST_APP_SRC(source), &callbacks, &bench, nullptr);
  return source;
}

constexpr const char* cuda_memory = "memory:CUDAMemory";

/// Copies a source's frames to CUDA memory, through GStreamer's own element, before anything is measured.
void upload(GstElement* source, Stream& stream, GstElement* fusion) {
  GstQuery* query = gst_query_new_context("gst.cuda.context");
  GstPad* pad = gst_element_get_static_pad(fusion, "src");
  GstContext* context = nullptr;
  if (gst_pad_query(pad, query)) gst_query_parse_context(query, &context);
  gst_object_unref(pad);
  const std::unique_ptr<GstQuery, void (*)(GstQuery*)> owner(query, [](GstQuery* q) { gst_query_unref(q); });
  if (!context) throw Missing("digfusion has no CUDA memory here; GST_DEBUG=digfusion:4 says why");

  GError* error = nullptr;
  const PipelinePtr pipeline =
      stopped_at_the_end(gst_parse_launch("appsrc name=in format=time ! cudaupload ! "
                                          "video/x-raw(memory:CUDAMemory) ! appsink name=out sync=false",
                                          &error));
  if (error) {
    const std::string message = error->message;
    const bool is_missing = g_error_matches(error, GST_PARSE_ERROR, GST_PARSE_ERROR_NO_SUCH_ELEMENT);
    g_error_free(error);
    if (is_missing) throw Missing(message);
    throw std::runtime_error(message);
  }
  gst_element_set_context(pipeline.get(), context);
  GstElement *in = gst_bin_get_by_name(GST_BIN(pipeline.get()), "in"),
             *out = gst_bin_get_by_name(GST_BIN(pipeline.get()), "out");
  GstCaps* caps = gst_app_src_get_caps(GST_APP_SRC(source));
  gst_app_src_set_caps(GST_APP_SRC(in), caps);
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  for (GstBuffer*& buffer : stream.buffers) {
    gst_app_src_push_buffer(GST_APP_SRC(in), buffer);  // takes it
    GstSample* sample = gst_app_sink_try_pull_sample(GST_APP_SINK(out), 10 * GST_SECOND);
    buffer = sample ? gst_buffer_ref(gst_sample_get_buffer(sample)) : nullptr;
    if (sample) gst_sample_unref(sample);
  }
  gst_object_unref(in);
  gst_object_unref(out);
  caps = gst_caps_make_writable(caps);
  gst_caps_set_features_simple(caps, gst_caps_features_new(cuda_memory, nullptr));
  gst_app_src_set_caps(GST_APP_SRC(source), caps);
  gst_caps_unref(caps);
  for (const GstBuffer* buffer : stream.buffers)
    if (!buffer) throw std::runtime_error("frames can't be copied to CUDA memory");
}

/// Until the end of the stream. A warning means that a frame wasn't fused, which would be fast.
void wait(GstElement* pipeline) {
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* message = gst_bus_timed_pop_filtered(
      bus, GST_CLOCK_TIME_NONE,
      static_cast<GstMessageType>(int{GST_MESSAGE_EOS} | int{GST_MESSAGE_ERROR} | int{GST_MESSAGE_WARNING}));
  gst_object_unref(bus);
  std::optional<std::string> problem;
  GError* error = nullptr;
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) gst_message_parse_error(message, &error, nullptr);
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING) gst_message_parse_warning(message, &error, nullptr);
  if (error) problem = error->message;
  g_clear_error(&error);
  gst_message_unref(message);
  if (problem) throw std::runtime_error(*problem);
}

void run(Bench& bench, int width, int height, char** settings, int count_of_settings) {
  std::vector<std::vector<std::uint8_t>> visible, infrared;
  for (auto& frame : digfusion::tools::bench_frames(width, height, different_frames)) {
    visible.push_back(std::move(frame.visible));
    infrared.push_back(std::move(frame.infrared));
  }
  const PipelinePtr pipeline = stopped_at_the_end(gst_pipeline_new(nullptr));
  const auto add = [&](GstElement* element) {
    gst_bin_add(GST_BIN(pipeline.get()), element);
    return element;
  };
  GstElement* fusion = add(make("digfusion"));
  bool in_cuda_memory = false;
  for (int i = 0; i < count_of_settings; ++i) {
    const std::string text = settings[i];
    if (text == "memory=cuda") {
      in_cuda_memory = true;
      continue;
    }
    const std::size_t equals = text.find('=');
    const std::string name = text.substr(0, equals);
    if (equals == std::string::npos ||
        !g_object_class_find_property(G_OBJECT_GET_CLASS(fusion), name.c_str()))
      throw std::runtime_error("\"" + text + "\" is no property of digfusion with its value");
    gst_util_set_object_arg(G_OBJECT(fusion), name.c_str(), text.c_str() + equals + 1);
  }
  GstElement* v =
      add(make_source(GST_VIDEO_FORMAT_I420, width, height, &need_visible, bench, bench.visible, visible));
  if (in_cuda_memory) upload(v, bench.visible, fusion);
  GstElement* i = add(
      make_source(GST_VIDEO_FORMAT_GRAY8, width, height, &need_infrared, bench, bench.infrared, infrared));
  GstElement* sink = add(make("fakesink"));
  g_object_set(sink, "sync", bench.rate > 0, nullptr);
  if (!gst_element_link_pads(v, "src", fusion, "visible") ||
      !gst_element_link_pads(i, "src", fusion, "infrared") || !gst_element_link(fusion, sink))
    throw std::runtime_error("the pipeline can't be linked");
  GstPad* pad = gst_element_get_static_pad(sink, "sink");
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, &count, &bench, nullptr);
  gst_object_unref(pad);
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  wait(pipeline.get());
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  if (argc < 6) {
    std::fprintf(stderr, "usage: digfusion-bench-element WIDTH HEIGHT FRAMES SECONDS RATE [NAME=VALUE]...\n");
    return 2;
  }
  try {
    if (const auto problem = digfusion::load_own_plugin()) throw std::runtime_error(*problem);
    Bench bench;
    bench.frames = std::atoi(argv[3]);
    bench.seconds = g_ascii_strtod(argv[4], nullptr);
    bench.rate = std::atoi(argv[5]);
    run(bench, std::atoi(argv[1]), std::atoi(argv[2]), argv + 6, argc - 6);
    if (bench.fused < 2) throw std::runtime_error("no frames came out");
    const auto frames = bench.fused - 1;
    const double seconds = seconds_between(bench.first, bench.last);
    char fps[G_ASCII_DTOSTR_BUF_SIZE], busy[G_ASCII_DTOSTR_BUF_SIZE];
    g_ascii_dtostr(fps, sizeof fps, static_cast<double>(frames) / seconds);
    g_ascii_dtostr(busy, sizeof busy, (bench.processor_last - bench.processor_first) / seconds);
    std::printf("{\"frames\": %llu, \"frames_per_second\": %s, \"busy_cores\": %s}\n",
                static_cast<unsigned long long>(frames), fps, busy);
    return 0;
  } catch (const Missing& missing) {
    std::fprintf(stderr, "%s\n", missing.what());
    return 77;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
