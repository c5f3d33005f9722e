// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/record/recording.h"

#include <atomic>
#include <mutex>
#include <utility>

#include "pipelines/common/bridge.h"
#include "pipelines/common/failure.h"

namespace digfusion::pipelines {
namespace {

/// As gst-launch would: enumerations by their names.
void set(GstElement* element, const char* property, const std::string& value) {
  gst_util_set_object_arg(G_OBJECT(element), property, value.c_str());
}

/// explain() (failure.h) speaks of cameras; this is about the disk and the encoder.
std::string problem_in(GstMessage* message) {
  GError* error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  const bool is_full = g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT);
  const std::string text = is_full ? "the disk is full" : error->message;
  g_clear_error(&error);
  return text;
}

GstElement* make_muxer(Container container) {
  GstElement* muxer = make_element(container_info(container).muxer);
  if (container == Container::mp4) {
    set(muxer, "fragment-duration", std::to_string(Recording::fragment_duration.count()));
  } else {
    set(muxer, "min-cluster-duration", std::to_string(key_frame_interval));
    set(muxer, "offset-to-zero", "true");  // each segment starts at 0, as those of MP4 do
  }
  return muxer;
}

GstElement* make_file_sink() {
  GstElement* sink = make_element("filesink");
  set(sink, "buffer-mode", "unbuffered");  // 64 KB of the last pictures would be lost with the program
  set(sink, "enable-last-sample", "false");
  return sink;
}

}  // namespace

struct Recording::State {
  Settings settings;
  Callbacks callbacks;
  std::vector<std::unique_ptr<Feed>> feeds;
  ObjectPtr<GstElement> pipeline;
  GstElement* splitter = nullptr;  ///< the pipeline's

  GstClockTime origin = GST_CLOCK_TIME_NONE;  ///< the first picture's time; set before anything flows
  std::atomic<int> segments{0};               ///< begun
  std::atomic<bool> aborted{false};
  GstClockTime opened_at = 0;  ///< running time; the segments' thread

  std::mutex mutex;  ///< leaf; guards what follows
  bool pushing = false, finishing = false;

  void build();
  void add_track(std::size_t index);
  void end_tracks();
  gchar* next_file(GstSample* first);
  void handle(GstMessage* message);
  void handle_segment(const GstStructure* message);
};

namespace {

/// Names a track in each segment: a muxer forgets tags with the file, and nothing sends them again.
struct TitleProbe {
  const std::string title;
  const std::atomic<int>* segments;
  int named = 0;
};

GstPadProbeReturn send_title(GstPad* pad, GstPadProbeInfo*, gpointer data) {
  auto* probe = static_cast<TitleProbe*>(data);
  const int segment = *probe->segments;
  if (std::exchange(probe->named, segment) != segment)
    gst_pad_send_event(pad,
                       gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, probe->title.c_str(), nullptr)));
  return GST_PAD_PROBE_OK;
}

}  // namespace

void Recording::State::build() {
  pipeline.reset(GST_ELEMENT(gst_object_ref_sink(gst_pipeline_new("recording"))));
  GstElement* muxer = make_muxer(settings.container);
  // In the order of the tracks.
  g_signal_connect(muxer, "pad-added", G_CALLBACK(+[](GstElement* made_by, GstPad* pad, gpointer self) {
                     auto& state = *static_cast<State*>(self);
                     const std::string& title = state.settings.titles.at(made_by->numsinkpads - 1u);
                     gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, send_title,
                                       new TitleProbe{title, &state.segments},
                                       [](gpointer probe) { delete static_cast<TitleProbe*>(probe); });
                   }),
                   this);
  splitter = make_element("splitmuxsink");
  gst_bin_add(GST_BIN(pipeline.get()), splitter);
  // Before the first track: that would make a muxer of the default kind.
  g_object_set(splitter, "muxer", muxer, "sink", make_file_sink(), "max-size-time",
               static_cast<guint64>(settings.segment_duration.count()) * GST_SECOND, "max-size-bytes",
               static_cast<guint64>(settings.segment_size), nullptr);
  g_signal_connect(splitter, "format-location-full",
                   G_CALLBACK(+[](GstElement*, guint, GstSample* first, gpointer self) -> gchar* {
                     return static_cast<State*>(self)->next_file(first);
                   }),
                   this);
  for (std::size_t i = 0; i < settings.titles.size(); ++i) add_track(i);

  const ObjectPtr<GstBus> bus(gst_element_get_bus(pipeline.get()));
  gst_bus_set_sync_handler(
      bus.get(),
      [](GstBus*, GstMessage* message, gpointer self) -> GstBusSyncReply {
        static_cast<State*>(self)->handle(message);
        return GST_BUS_DROP;
      },
      this, nullptr);
}

void Recording::State::add_track(std::size_t index) {
  const std::string& title = settings.titles[index];
  feeds.push_back(std::make_unique<Feed>(title, false, depth, Full::wait));
  GstElement* feed = feeds.back()->element();
  GstElement* encode = make_encoder_bin(settings.encoder);
  gst_bin_add_many(GST_BIN(pipeline.get()), feed, encode, nullptr);
  // The first one decides where segments begin.
  const char* pad = index == 0 ? "video" : "video_aux_%u";
  if (!gst_element_link(feed, encode) || !gst_element_link_pads(encode, "src", splitter, pad))
    throw Failure("the track \"" + title + "\" of " + settings.encoder.name() + " doesn't go into " +
                  container_info(settings.container).muxer);
}

void Recording::State::end_tracks() {
  for (const auto& feed : feeds) feed->end();
}

gchar* Recording::State::next_file(GstSample* first) {
  ++segments;
  const GstBuffer* picture = first ? gst_sample_get_buffer(first) : nullptr;
  const GstClockTime since = picture ? gst_segment_to_running_time(gst_sample_get_segment(first),
                                                                   GST_FORMAT_TIME, GST_BUFFER_PTS(picture))
                                     : GST_CLOCK_TIME_NONE;
  return g_strdup(callbacks.next_file(origin + (GST_CLOCK_TIME_IS_VALID(since) ? since : 0)).c_str());
}

void Recording::State::handle(GstMessage* message) {
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_EOS:
      callbacks.on_finished();
      break;
    case GST_MESSAGE_ERROR:
      if (!aborted) callbacks.on_failed(problem_in(message));
      break;
    case GST_MESSAGE_ELEMENT:
      handle_segment(gst_message_get_structure(message));
      break;
    default:
      break;
  }
}

void Recording::State::handle_segment(const GstStructure* message) {
  const char* path = gst_structure_get_string(message, "location");
  guint64 time = 0;
  if (!path || !gst_structure_get_uint64(message, "running-time", &time)) return;
  if (gst_structure_has_name(message, "splitmuxsink-fragment-opened")) {
    opened_at = time;
    callbacks.on_opened(path);
  } else if (gst_structure_has_name(message, "splitmuxsink-fragment-closed")) {
    callbacks.on_closed(path, time - opened_at);
  }
}

Recording::Recording(Settings settings, Callbacks callbacks) : state_(std::make_unique<State>()) {
  state_->settings = std::move(settings);
  state_->callbacks = std::move(callbacks);
  state_->build();
}

Recording::~Recording() { abort(); }

bool Recording::has_room() const {
  for (const auto& feed : state_->feeds)
    if (gst_app_src_get_current_level_buffers(GST_APP_SRC(feed->element())) >= depth) return false;
  return true;
}

bool Recording::push(std::span<const Frame> pictures) {
  const GstClockTime time = pictures.front().time();
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->aborted || state_->finishing) return false;
    state_->pushing = true;
  }
  if (!GST_CLOCK_TIME_IS_VALID(state_->origin)) {
    state_->origin = time;
    gst_element_set_state(state_->pipeline.get(), GST_STATE_PLAYING);
  }
  bool taken = true;
  for (std::size_t i = 0; i < pictures.size(); ++i)
    taken = state_->feeds[i]->push(pictures[i].at(time - state_->origin)) && taken;
  const std::lock_guard lock(state_->mutex);
  state_->pushing = false;
  if (state_->finishing) state_->end_tracks();
  return taken;
}

void Recording::split() { g_signal_emit_by_name(state_->splitter, "split-now"); }

void Recording::finish() {
  const std::lock_guard lock(state_->mutex);
  state_->finishing = true;
  if (state_->pushing) return;  // tracks end with the same picture
  if (GST_CLOCK_TIME_IS_VALID(state_->origin))
    state_->end_tracks();
  else
    state_->callbacks.on_finished();
}

void Recording::abort() {
  state_->aborted = true;
  gst_element_set_state(state_->pipeline.get(), GST_STATE_NULL);
}

}  // namespace digfusion::pipelines
