// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/analyse/graph.h"

#include <utility>
#include <vector>

#include "pipelines/analyse/draw_element.h"
#include "pipelines/analyse/rgb.h"
#include "pipelines/common/failure.h"

namespace digfusion::pipelines {

namespace {

GstElement* make_rgb_filter() {
  GstElement* filter = make_element("capsfilter");
  const MiniPtr<GstCaps> caps(gst_caps_from_string(rgb_caps));
  g_object_set(filter, "caps", caps.get(), nullptr);
  return filter;
}

void link(GstElement* pipeline, const std::vector<GstElement*>& elements) {
  for (GstElement* element : elements) gst_bin_add(GST_BIN(pipeline), element);
  for (std::size_t i = 1; i < elements.size(); ++i)
    if (!gst_element_link(elements[i - 1], elements[i])) throw Failure("the analytics graph can't be linked");
}

}  // namespace

Graph::Graph(Program& program, GraphOptions options, std::function<void(Frame)> on_frame,
             std::function<void()> on_end)
    : pipeline_(GST_ELEMENT(gst_object_ref_sink(gst_pipeline_new("analysis")))),
      feed_("fused", options.pace == Pace::newest_frame, 2,
            options.pace == Pace::newest_frame ? Full::drop_oldest : Full::wait),
      tap_("analysed", false, std::move(on_frame), std::move(on_end)) {
  std::vector<GstElement*> elements{feed_.element(), make_element("videoconvert"), make_rgb_filter()};
  if (options.motion) elements.push_back(motion_.emplace(*options.motion).element());
  if (options.detector) elements.push_back(make_detect_element(std::move(options.detector), options.pace));
  if (options.draw) elements.push_back(make_draw_element());
  elements.push_back(tap_.element());
  link(pipeline_.get(), elements);

  const ObjectPtr<GstBus> bus(gst_element_get_bus(pipeline_.get()));
  gst_bus_set_sync_handler(
      bus.get(),
      [](GstBus*, GstMessage* message, gpointer self) {
        if (auto& motion = static_cast<Graph*>(self)->motion_) motion->on_message(message);
        return GST_BUS_PASS;
      },
      this, nullptr);
  watch_ = MainSource::bus(bus.get(), [&program](GstMessage* message) {
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) program.fail("the analysis: " + error_text(message));
  });
  gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
}

Graph::~Graph() { stop(); }

void Graph::stop() { gst_element_set_state(pipeline_.get(), GST_STATE_NULL); }

}  // namespace digfusion::pipelines
