// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/analyse/draw_element.h"

#include "pipelines/analyse/draw.h"
#include "pipelines/analyse/rgb.h"
#include "pipelines/common/failure.h"

struct _GstDigDraw {
  GstVideoFilter parent;
};

G_DEFINE_TYPE(GstDigDraw, gst_dig_draw, GST_TYPE_VIDEO_FILTER)
GST_ELEMENT_REGISTER_DEFINE(digdraw, "digdraw", GST_RANK_NONE, GST_TYPE_DIG_DRAW)

static GstFlowReturn gst_dig_draw_transform_frame_ip(GstVideoFilter*, GstVideoFrame* frame) {
  using namespace digfusion::pipelines;
  cv::Mat picture = as_rgb(*frame);
  draw(picture, read_findings(frame->buffer));
  return GST_FLOW_OK;
}

static void gst_dig_draw_init(GstDigDraw*) {}

static void gst_dig_draw_class_init(GstDigDrawClass* klass) {
  GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
  digfusion::pipelines::add_rgb_templates(element_class);
  gst_element_class_set_static_metadata(element_class, "Regions drawn", "Filter/Effect/Video",
                                        "Draws the regions of interest into the picture", "digfusion");
  GST_VIDEO_FILTER_CLASS(klass)->transform_frame_ip = gst_dig_draw_transform_frame_ip;
}

namespace digfusion::pipelines {

GstElement* make_draw_element() {
  GST_ELEMENT_REGISTER(digdraw, nullptr);
  return make_element("digdraw");
}

}  // namespace digfusion::pipelines
