// SPDX-License-Identifier: LGPL-2.1-or-later
//
// FusionStream's output caps, which follow the view while it plays, and stand-ins in these caps.
#include <utility>

#include "plugin/allocation.h"
#include "plugin/fusionstream.h"
#include "plugin/messages.h"
#include "plugin/standin.h"

#define GST_CAT_DEFAULT digfusion_debug

namespace digfusion {

GstFlowReturn FusionStream::shape_output(GstCaps*& caps) {
  const int across = shape_.across();
  GstCaps* shaped = scaled_widths(caps, across, 1);
  gst_caps_unref(std::exchange(caps, shaped));
  GstVideoInfo info;
  if (!gst_video_info_from_caps(&info, caps)) return GST_FLOW_NOT_NEGOTIATED;
  if (shape_.coloured_by && GST_VIDEO_INFO_IS_GRAY(&info)) {
    GST_ELEMENT_ERROR(
        element_, CORE, NEGOTIATION,
        ("The output is %s: %s", GST_VIDEO_INFO_NAME(&info), gray_refusal(shape_.coloured_by).c_str()),
        (nullptr));
    return GST_FLOW_NOT_NEGOTIATED;
  }
  // The visible stream's own caps were negotiated with downstream; others weren't.
  const int before = std::exchange(negotiated_across_, across);
  if (across > 1 || across != before) {
    const CapsRef either = gpu_.usable() ? in_either_memory(caps) : CapsRef(gst_caps_ref(caps));
    const CapsRef taken(gst_pad_peer_query_caps(GST_AGGREGATOR_SRC_PAD(element_), either.get()));
    if (!gst_caps_can_intersect(taken.get(), either.get())) {
      GST_ELEMENT_ERROR(element_, CORE, NEGOTIATION,
                        ("With mode=%s the output has %d×%d pixels, which downstream doesn't take; leave the "
                         "size open behind digfusion (as videoscale does), or set another mode",
                         name_of("mode", static_cast<int>(shape_.mode)), GST_VIDEO_INFO_WIDTH(&info),
                         GST_VIDEO_INFO_HEIGHT(&info)),
                        (nullptr));
      return GST_FLOW_NOT_NEGOTIATED;
    }
  }
  output_info_ = info;
  black_.reset();
  return GST_FLOW_OK;
}

GstFlowReturn FusionStream::follow_view(const Parameters& parameters) {
  const OutputShape shape(parameters);
  const bool suits = shape == std::exchange(shape_, shape);
  if (suits || gst_aggregator_negotiate(element_)) return GST_FLOW_OK;
  return GST_PAD_IS_FLUSHING(GST_AGGREGATOR_SRC_PAD(element_)) ? GST_FLOW_FLUSHING : GST_FLOW_NOT_NEGOTIATED;
}

BufferRef FusionStream::in_output_caps(BufferRef picture, bool is_visible) const {
  if (!picture || shape_.across() == 1) return picture;
  BufferRef wide = beside_black(picture.get(), visible_.info, output_info_, /*right=*/!is_visible);
  if (wide) copy_metadata(picture.get(), wide.get());
  return wide;
}

}  // namespace digfusion
