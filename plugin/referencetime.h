// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Pairing by when pictures were taken, as their cameras' common clock tells (GstReferenceTimestampMeta: NTP
// of an RTSP camera, PTP, UNIX time), not by running time.
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <optional>

namespace digfusion {

/// Streaming thread only. Times are nanoseconds.
class ReferenceTime {
 public:
  ~ReferenceTime() { restart(); }
  ReferenceTime() = default;
  ReferenceTime(const ReferenceTime&) = delete;
  ReferenceTime& operator=(const ReferenceTime&) = delete;

  void restart();
  /// A picture of the stream that leads, and its running time.
  void leads(GstBuffer* buffer, std::int64_t running_time);
  /// How much has to be added to the running time of a picture of the other stream, for it to lie as far from
  /// the leading one as the reference clock says. Nothing where either has no meta, or they are of two
  /// clocks.
  std::optional<std::int64_t> shift(GstBuffer* buffer, std::int64_t running_time) const;

 private:
  GstCaps* clock_ = nullptr;  ///< owned; of the leading picture's meta
  std::int64_t ahead_ = 0;    ///< reference time less running time
};

}  // namespace digfusion
