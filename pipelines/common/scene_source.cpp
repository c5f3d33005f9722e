// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/scene_source.h"

#include <utility>

namespace digfusion::pipelines {

SceneSource::View::View(const char* name, OnFrame on_frame)
    : tap(name, false, [this, on_frame = std::move(on_frame)](const Frame& frame) {
        meter.count();
        on_frame(frame);
      }) {}

SceneSource::SceneSource(Program& program, const SourceOptions& options, bool live, OnFrame on_visible,
                         OnFrame on_infrared, std::function<void(bool)> on_end)
    : program_(program),
      options_(options),
      on_end_(std::move(on_end)),
      visible_("visible", std::move(on_visible)),
      infrared_("infrared", std::move(on_infrared)),
      pipeline_(GST_ELEMENT(gst_object_ref_sink(gst_pipeline_new("scene")))) {
  GstElement* source = make_element("digtestsrc", "source");
  gst_bin_add(GST_BIN(pipeline_.get()), source);
  gst_util_set_object_arg(G_OBJECT(source), "pattern", options.pattern.c_str());
  g_object_set(source, "seed", guint64{options.seed}, "is-live", gboolean{live}, nullptr);
  const MiniPtr<GstCaps> caps(gst_caps_new_simple("video/x-raw", "width", G_TYPE_INT, options.width, "height",
                                                  G_TYPE_INT, options.height, "framerate", GST_TYPE_FRACTION,
                                                  options.rate, 1, nullptr));
  for (const View* view : {&visible_, &infrared_}) {
    GstElement* sink = view->tap.element();
    gst_bin_add(GST_BIN(pipeline_.get()), sink);
    if (!gst_element_link_pads_filtered(source, GST_OBJECT_NAME(sink), sink, "sink", caps.get()))
      throw Failure("the scene's pipeline can't be linked");
  }
}

SceneSource::~SceneSource() { stop(); }

void SceneSource::start(GstClock* clock, GstClockTime base_time) {
  const ObjectPtr<GstBus> bus(gst_element_get_bus(pipeline_.get()));
  watch_ = MainSource::bus(bus.get(), [this](GstMessage* message) {
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) program_.fail("the scene: " + error_text(message));
    if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_EOS) return;
    ended_ = true;
    on_end_(true);
    on_end_(false);
  });
  gst_pipeline_use_clock(GST_PIPELINE(pipeline_.get()), clock);
  gst_element_set_start_time(pipeline_.get(), GST_CLOCK_TIME_NONE);
  gst_element_set_base_time(pipeline_.get(), base_time);
  gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
}

void SceneSource::stop() {
  watch_ = {};
  gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
}

CameraStatus SceneSource::status(const View& view) const {
  CameraStatus status;
  status.state = ended_                   ? CameraState::ended
                 : view.meter.total() > 0 ? CameraState::playing
                                          : CameraState::connecting;
  status.frames = view.meter.total();
  status.rate = view.meter.rate();
  status.silent = view.meter.silent();
  if (status.frames > 0) {
    status.width = options_.width;
    status.height = options_.height;
  }
  return status;
}

}  // namespace digfusion::pipelines
