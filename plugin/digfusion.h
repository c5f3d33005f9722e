// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The element `digfusion`: a visible and an infrared video stream in, one fused stream out.
#pragma once

#include <gst/base/gstaggregator.h>

G_BEGIN_DECLS

#define GST_TYPE_DIGFUSION (gst_digfusion_get_type())
G_DECLARE_FINAL_TYPE(GstDigfusion, gst_digfusion, GST, DIGFUSION, GstAggregator)
GST_ELEMENT_REGISTER_DECLARE(digfusion)

G_END_DECLS
