// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Pictures in the place of a fused one. All arithmetic is GStreamer's video library's.
#pragma once

#include <gst/video/video.h>

#include "plugin/bufferref.h"

namespace digfusion {

/// A black picture of those caps, without timestamp; null when there is no memory for it.
BufferRef black_picture(const GstVideoInfo& info);

/// `from`, converted to other caps: as large as it fits, in the middle, borders black. Timestamps are
/// `from`'s. Null when it can't be mapped or converted.
BufferRef converted(GstBuffer* from, const GstVideoInfo& from_info, const GstVideoInfo& to_info);

/// `from` on the left or right of a black picture of other caps, which has its format and height and more
/// width. No timestamps. Null when it can't be mapped or converted.
BufferRef beside_black(GstBuffer* from, const GstVideoInfo& from_info, const GstVideoInfo& to_info,
                       bool right);

/// Lays `over` on `picture`, which is writable and of the same caps; `share` of the result is `over`'s. False
/// when one can't be mapped.
bool fade(GstBuffer* picture, GstBuffer* over, const GstVideoInfo& info, double share);

}  // namespace digfusion
