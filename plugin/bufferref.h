// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <memory>

namespace digfusion {

struct BufferUnref {
  void operator()(GstBuffer* buffer) const { gst_buffer_unref(buffer); }
};
/// A reference to a buffer that somebody owns.
using BufferRef = std::unique_ptr<GstBuffer, BufferUnref>;

}  // namespace digfusion
