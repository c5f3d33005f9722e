// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/programs/record/decode.h"

#include <gst/app/gstappsink.h>
#include <gst/video/video.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "pipelines/common/failure.h"
#include "pipelines/common/frame.h"

namespace digfusion::test {
namespace {

using pipelines::MiniPtr;
using pipelines::ObjectPtr;

struct Reading {
  GstElement* pipeline = nullptr;
  std::mutex mutex;
  std::vector<std::pair<std::string, GstElement*>> sinks;  ///< by the demuxer's pad
};

int mean_luma(GstSample* sample) {
  GstVideoInfo info;
  GstVideoFrame frame;
  if (!gst_video_info_from_caps(&info, gst_sample_get_caps(sample)) ||
      !gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample), GST_MAP_READ))
    return -1;
  long sum = 0;
  for (int y = 0; y < info.height; ++y) {
    const auto* row = static_cast<const guint8*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0)) +
                      y * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0);
    for (int x = 0; x < info.width; ++x) sum += row[x];
  }
  gst_video_frame_unmap(&frame);
  return static_cast<int>(sum / (info.width * info.height));
}

/// A decoder behind each track.
void add_track(GstElement*, GstPad* pad, gpointer data) {
  auto* reading = static_cast<Reading*>(data);
  GError* error = nullptr;
  const char* decoder = pipelines::has_element("avdec_h264") ? "avdec_h264" : "openh264dec";
  const std::string description =
      std::string("queue max-size-buffers=0 max-size-bytes=0 max-size-time=0 ! h264parse ! ") + decoder +
      " ! videoconvert ! video/x-raw,format=I420 ! appsink name=out sync=false";
  GstElement* bin = gst_parse_bin_from_description(description.c_str(), TRUE, &error);
  ASSERT_NE(bin, nullptr) << error->message;
  gst_bin_add(GST_BIN(reading->pipeline), bin);
  const ObjectPtr<GstPad> sink(gst_element_get_static_pad(bin, "sink"));
  EXPECT_EQ(gst_pad_link(pad, sink.get()), GST_PAD_LINK_OK);
  {
    const std::lock_guard lock(reading->mutex);
    reading->sinks.emplace_back(GST_OBJECT_NAME(pad), gst_bin_get_by_name(GST_BIN(bin), "out"));
  }
  gst_element_sync_state_with_parent(bin);
}

std::string title_of(GstElement* sink) {
  const ObjectPtr<GstPad> pad(gst_element_get_static_pad(sink, "sink"));
  std::string title;
  for (guint i = 0; GstEvent* event = gst_pad_get_sticky_event(pad.get(), GST_EVENT_TAG, i); ++i) {
    const MiniPtr<GstEvent> owner(event);
    GstTagList* tags = nullptr;
    gst_event_parse_tag(event, &tags);
    gchar* text = nullptr;
    if (gst_tag_list_get_string(tags, GST_TAG_TITLE, &text)) title = text;
    g_free(text);
  }
  return title;
}

DecodedTrack read_track(GstElement* sink) {
  DecodedTrack track;
  while (const MiniPtr<GstSample> sample{gst_app_sink_pull_sample(GST_APP_SINK(sink))}) {
    const GstStructure* caps = gst_caps_get_structure(gst_sample_get_caps(sample.get()), 0);
    gst_structure_get_int(caps, "width", &track.width);
    gst_structure_get_int(caps, "height", &track.height);
    track.times.push_back(gst_segment_to_running_time(gst_sample_get_segment(sample.get()), GST_FORMAT_TIME,
                                                      GST_BUFFER_PTS(gst_sample_get_buffer(sample.get()))));
    track.brightness.push_back(mean_luma(sample.get()));
  }
  track.title = title_of(sink);
  return track;
}

}  // namespace

GstClockTime DecodedTrack::longest_gap() const {
  GstClockTime longest = 0;
  for (std::size_t i = 1; i < times.size(); ++i) longest = std::max(longest, times[i] - times[i - 1]);
  return longest;
}

std::vector<DecodedTrack> decode(const std::filesystem::path& file) {
  gst_init(nullptr, nullptr);
  Reading reading;
  const ObjectPtr<GstElement> pipeline(GST_ELEMENT(gst_object_ref_sink(gst_pipeline_new(nullptr))));
  reading.pipeline = pipeline.get();
  GstElement* source = pipelines::make_element("filesrc");
  GstElement* demuxer = pipelines::make_element(file.extension() == ".mp4" ? "qtdemux" : "matroskademux");
  g_object_set(source, "location", file.c_str(), nullptr);
  gst_bin_add_many(GST_BIN(pipeline.get()), source, demuxer, nullptr);
  gst_element_link(source, demuxer);
  g_signal_connect(demuxer, "pad-added", G_CALLBACK(add_track), &reading);
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);

  const ObjectPtr<GstBus> bus(gst_element_get_bus(pipeline.get()));
  std::vector<DecodedTrack> tracks;
  // The queues take all, so one track can be read after another. Preroll: every track is there.
  const MiniPtr<GstMessage> message(gst_bus_timed_pop_filtered(
      bus.get(), 30 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_ASYNC_DONE | GST_MESSAGE_ERROR)));
  if (message && GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_ASYNC_DONE) {
    std::sort(reading.sinks.begin(), reading.sinks.end());
    for (const auto& [name, sink] : reading.sinks) tracks.push_back(read_track(sink));
  } else {
    ADD_FAILURE() << file << ": "
                  << (message ? pipelines::explain(message.get(), "it").text
                              : std::string("nothing comes of it"));
  }
  if (const MiniPtr<GstMessage> error{gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR)})
    ADD_FAILURE() << file << ": " << pipelines::explain(error.get(), "decoding").text;
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  for (const auto& [name, sink] : reading.sinks) gst_object_unref(sink);
  return tracks;
}

std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace digfusion::test
