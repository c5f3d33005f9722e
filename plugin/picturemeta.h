// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The custom meta "GstDigfusionMeta" on each picture that the element sends: how it was made. Its fields are
// listed in docs/element.md.
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <optional>

#include "core/interface/interface.h"

namespace digfusion {

/// What was sent: both pictures as `mode` shows them, or one of the pictures that stand in for that.
enum class Sent : int { fused, visible, infrared, blank };

/// How a fused picture came about; the numbers are its meta's.
struct Making {
  std::int64_t pairing_error = 0;  ///< infrared minus visible running time, nanoseconds
  std::int64_t infrared_age = 0;   ///< nanoseconds, not negative
  FrameReport report;
};

/// Makes the meta known to GStreamer; again does nothing.
void register_picture_meta();

/// Gives a writable buffer the meta, in the place of one that it may have. `making` is for Sent::fused.
void add_picture_meta(GstBuffer* buffer, Sent sent, View mode, Preset preset, const Making* making);

}  // namespace digfusion
