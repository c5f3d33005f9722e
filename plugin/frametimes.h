// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Frame numbers to times and back.
#pragma once

#include <gst/gst.h>

#include <cstdint>

namespace digfusion {

/// Which frame has which time. Frames count on when the rate changes in the middle; so does time.
class FrameTimes {
 public:
  void set_rate(int numerator, int denominator, std::int64_t next) {
    if (numerator == numerator_ && denominator == denominator_) return;
    start_time_ = known() ? start(next) : 0;
    start_frame_ = known() ? next : 0;
    numerator_ = numerator;
    denominator_ = denominator;
  }
  void restart() { start_time_ = 0, start_frame_ = 0; }
  bool known() const { return denominator_ != 0; }
  bool still() const { return numerator_ == 0; }  ///< one frame that lasts for ever
  GstClockTime start(std::int64_t frame) const {
    if (still()) return start_time_;
    return start_time_ + gst_util_uint64_scale(static_cast<guint64>(frame - start_frame_),
                                               static_cast<guint64>(denominator_) * GST_SECOND,
                                               static_cast<guint64>(numerator_));
  }
  /// As start(), not rounded to nanoseconds.
  double seconds(std::int64_t frame) const {
    const double before = static_cast<double>(start_time_) / GST_SECOND;
    return still() ? before : before + static_cast<double>(frame - start_frame_) * denominator_ / numerator_;
  }
  GstClockTime duration(std::int64_t frame) const {
    return still() ? GST_CLOCK_TIME_NONE : start(frame + 1) - start(frame);
  }
  /// The frame that is shown at that time, counted from a restart.
  std::int64_t at(GstClockTime time) const {
    if (still()) return 0;
    const auto scale = static_cast<guint64>(denominator_) * GST_SECOND;
    auto frame =
        static_cast<std::int64_t>(gst_util_uint64_scale(time, static_cast<guint64>(numerator_), scale));
    while (start(frame + 1) <= time) ++frame;  // starts are rounded down, so the quotient may be one short
    return frame;
  }

 private:
  int numerator_ = 0, denominator_ = 0;
  GstClockTime start_time_ = 0;
  std::int64_t start_frame_ = 0;
};

}  // namespace digfusion
