// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/linkwatch.h"

namespace digfusion {
namespace {

gboolean check(GstClock*, GstClockTime, GstClockID, gpointer user) {
  auto* pad = static_cast<GstPad*>(user);
  GstElement* element = gst_pad_get_parent_element(pad);
  if (element && !gst_pad_is_linked(pad))
    GST_ELEMENT_ERROR(
        element, STREAM, WRONG_TYPE,
        ("Nothing has been linked to the pad \"%s\" for %u seconds; digfusion needs both streams",
         GST_PAD_NAME(pad), LinkWatch::seconds),
        (nullptr));
  if (element) gst_object_unref(element);
  return TRUE;
}

}  // namespace

void LinkWatch::start(GstPad* pad) {
  if (timer_ || gst_pad_is_linked(pad)) return;
  GstClock* clock = gst_system_clock_obtain();
  timer_ = gst_clock_new_single_shot_id(clock, gst_clock_get_time(clock) + seconds * GST_SECOND);
  gst_clock_id_wait_async(timer_, &check, gst_object_ref(pad), gst_object_unref);
  gst_object_unref(clock);
}

void LinkWatch::stop() {
  if (!timer_) return;
  gst_clock_id_unschedule(timer_);
  gst_clock_id_unref(timer_);
  timer_ = nullptr;
}

}  // namespace digfusion
