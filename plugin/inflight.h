// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Pictures in hand: one of the other stream that was found, and a pair that the core has begun.
#pragma once

#include <gst/video/video.h>

#include <cstdint>
#include <optional>

#include "core/parameters/parameters.h"
#include "plugin/bufferref.h"
#include "plugin/gpumemory.h"
#include "plugin/pairing.h"
#include "plugin/picturemeta.h"

namespace digfusion {

struct Held {
  BufferRef buffer;
  GstVideoInfo info;  ///< the caps may have changed since it came
  Slot slot;

  /// Of the same memory.
  Held again() const { return {BufferRef(gst_buffer_ref(buffer.get())), info, slot}; }
};

/// Nanoseconds.
struct Moment {
  std::int64_t own = 0;   ///< by FusionStream::own_time()
  std::int64_t wall = 0;  ///< monotonic
};

/// A pair between the core's begin() and finish(), and what its picture is sent with. Stays where it is: the
/// core has the addresses of its mappings.
struct InFlight {
  BufferRef visible;
  Held infrared;
  BufferRef output;
  /// Of the three above; null where unmapped.
  std::optional<CorePicture> visible_picture, infrared_picture, output_picture;
  Making making;              ///< its report comes with the core's finish()
  std::int64_t interval = 0;  ///< of the leading stream
  Preset preset{};            ///< that the core computes it with
  Moment begun;
  bool dropped_before = false;

  void unmap() {
    output_picture.reset();
    infrared_picture.reset();
    visible_picture.reset();
  }
};

}  // namespace digfusion
