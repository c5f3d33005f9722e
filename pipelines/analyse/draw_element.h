// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `digdraw`, the element that draws the regions of a buffer (regions.h) into its picture.
#pragma once

#include <gst/video/gstvideofilter.h>

namespace digfusion::pipelines {

/// An element `digdraw`, floating.
GstElement* make_draw_element();

}  // namespace digfusion::pipelines

G_BEGIN_DECLS
#define GST_TYPE_DIG_DRAW (gst_dig_draw_get_type())
G_DECLARE_FINAL_TYPE(GstDigDraw, gst_dig_draw, GST, DIG_DRAW, GstVideoFilter)
GST_ELEMENT_REGISTER_DECLARE(digdraw)
G_END_DECLS
