// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The type of the element's sink pads, which tell how their stream comes, and the pads as the element's
// children ("visible::age", "infrared::frames").
#pragma once

#include <gst/base/gstaggregator.h>

G_BEGIN_DECLS

#define GST_TYPE_DIGFUSION_PAD (gst_digfusion_pad_get_type())
G_DECLARE_FINAL_TYPE(GstDigfusionPad, gst_digfusion_pad, GST, DIGFUSION_PAD, GstAggregatorPad)

G_END_DECLS

namespace digfusion {

/// A picture of this pad's stream has been taken up. Streaming thread.
void note_arrival(GstDigfusionPad* pad);
/// The stream begins: nothing has been taken up.
void forget_arrivals(GstDigfusionPad* pad);

/// Makes an element type's sink pads its children, in the order of their making (GstChildProxy).
void pads_as_children(gpointer interface, gpointer);

}  // namespace digfusion
