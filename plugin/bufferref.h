// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Buffers that somebody owns, and how they come out of an aggregator's pad.
#pragma once

#include <gst/base/gstaggregator.h>

#include <memory>

namespace digfusion {

struct BufferUnref {
  void operator()(GstBuffer* buffer) const { gst_buffer_unref(buffer); }
};
/// A reference to a buffer that somebody owns.
using BufferRef = std::unique_ptr<GstBuffer, BufferUnref>;

/// The first buffer in the pad's queue, which stays there, or null.
inline BufferRef peek(GstAggregatorPad* pad) { return BufferRef(gst_aggregator_pad_peek_buffer(pad)); }
/// Takes the first buffer out of the pad's queue, if there is one.
inline BufferRef pop(GstAggregatorPad* pad) { return BufferRef(gst_aggregator_pad_pop_buffer(pad)); }

/// Whether a buffer is what GstAggregator makes of a GAP event.
inline bool is_gap(GstBuffer* buffer) {
  return GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP) && gst_buffer_get_size(buffer) == 0;
}

}  // namespace digfusion
