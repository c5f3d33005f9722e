// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/analyse/detect_element.h"

#include <optional>
#include <utility>

#include "pipelines/analyse/background.h"
#include "pipelines/analyse/regions.h"
#include "pipelines/analyse/rgb.h"
#include "pipelines/analyse/tracker.h"
#include "pipelines/common/failure.h"

namespace {

using namespace digfusion::pipelines;

/// Everything is the streaming thread's, but for what make_detect_element() does before there is one.
struct DetectState {
  std::unique_ptr<Detector> detector;
  std::optional<Background> background;  ///< after the detector: it is destroyed first
  Tracker tracker;
  std::vector<Detection> found;
  double time = 0;  ///< of the picture that `found` belongs to

  void update(const cv::Mat& picture, double now);
  void keep(std::vector<Detection> detections, double when);
};

/// How long, in seconds, the last detections may stand for the present.
constexpr double longest_hold = 2;

/// Throws Failure.
void DetectState::update(const cv::Mat& picture, double now) {
  if (!background) return keep(detector->detect(picture), now);
  if (auto result = background->take()) {
    if (!result->problem.empty()) throw Failure(result->problem);
    keep(std::move(result->found), result->time);
  }
  background->offer(picture, now);
}

void DetectState::keep(std::vector<Detection> detections, double when) {
  found = std::move(detections);
  time = when;
  tracker.track(found, when);
}

}  // namespace

struct _GstDigDetect {
  GstVideoFilter parent;
  DetectState* state;
};

G_DEFINE_TYPE(GstDigDetect, gst_dig_detect, GST_TYPE_VIDEO_FILTER)
GST_ELEMENT_REGISTER_DEFINE(digdetect, "digdetect", GST_RANK_NONE, GST_TYPE_DIG_DETECT)

static GstFlowReturn gst_dig_detect_transform_frame_ip(GstVideoFilter* filter, GstVideoFrame* frame) {
  DetectState& state = *GST_DIG_DETECT(filter)->state;
  const double now = static_cast<double>(GST_BUFFER_PTS(frame->buffer)) / GST_SECOND;
  try {
    if (state.detector) state.update(as_rgb(*frame), now);
  } catch (const std::exception& error) {
    GST_ELEMENT_ERROR(filter, LIBRARY, FAILED, ("%s", error.what()), (nullptr));
    return GST_FLOW_ERROR;
  }
  const double age = now - state.time;
  if (age >= 0 && age <= longest_hold)
    for (const Detection& detection : state.found) attach(frame->buffer, FoundObject{detection, age});
  return GST_FLOW_OK;
}

static void gst_dig_detect_finalize(GObject* object) {
  delete GST_DIG_DETECT(object)->state;
  G_OBJECT_CLASS(gst_dig_detect_parent_class)->finalize(object);
}

static void gst_dig_detect_init(GstDigDetect* self) { self->state = new DetectState; }

static void gst_dig_detect_class_init(GstDigDetectClass* klass) {
  G_OBJECT_CLASS(klass)->finalize = gst_dig_detect_finalize;
  GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
  add_rgb_templates(element_class);
  gst_element_class_set_static_metadata(element_class, "Detector", "Filter/Analyzer/Video",
                                        "Says what is in a picture as regions of interest", "digfusion");
  GST_VIDEO_FILTER_CLASS(klass)->transform_frame_ip = gst_dig_detect_transform_frame_ip;
}

namespace digfusion::pipelines {

GstElement* make_detect_element(std::unique_ptr<Detector> detector, Pace pace) {
  GST_ELEMENT_REGISTER(digdetect, nullptr);
  GstElement* element = make_element("digdetect");
  DetectState& state = *GST_DIG_DETECT(element)->state;
  state.detector = std::move(detector);
  if (pace == Pace::newest_frame) state.background.emplace(*state.detector);
  return element;
}

}  // namespace digfusion::pipelines
