// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/soak/fastclock.h"

struct FastClock {
  GstClock parent;
  double speed;
  gint64 start;  ///< monotonic microseconds
  GMutex mutex;  ///< guards the entries' status
  GCond changed;
};
struct FastClockClass {
  GstClockClass parent_class;
};

G_DEFINE_TYPE(FastClock, fast_clock, GST_TYPE_CLOCK)

static FastClock* fast_clock(GstClock* clock) { return reinterpret_cast<FastClock*>(clock); }

static GstClockTime internal_time(GstClock* clock) {
  const gint64 real = g_get_monotonic_time() - fast_clock(clock)->start;
  return static_cast<GstClockTime>(static_cast<double>(real) * 1000 * fast_clock(clock)->speed);
}

static GstClockReturn wait(GstClock* clock, GstClockEntry* entry, GstClockTimeDiff* jitter) {
  FastClock* self = fast_clock(clock);
  const GstClockTime until = GST_CLOCK_ENTRY_TIME(entry);
  if (jitter) *jitter = GST_CLOCK_DIFF(until, gst_clock_get_time(clock));
  g_mutex_lock(&self->mutex);
  while (GST_CLOCK_ENTRY_STATUS(entry) != GST_CLOCK_UNSCHEDULED) {
    const GstClockTimeDiff left = GST_CLOCK_DIFF(gst_clock_get_time(clock), until);
    if (left <= 0) {
      GST_CLOCK_ENTRY_STATUS(entry) = GST_CLOCK_OK;
      break;
    }
    GST_CLOCK_ENTRY_STATUS(entry) = GST_CLOCK_BUSY;
    const auto real = static_cast<gint64>(static_cast<double>(left) / 1000 / self->speed);
    g_cond_wait_until(&self->changed, &self->mutex, g_get_monotonic_time() + real + 1);
  }
  const GstClockReturn status = GST_CLOCK_ENTRY_STATUS(entry);
  g_mutex_unlock(&self->mutex);
  if (status == GST_CLOCK_OK && jitter && *jitter > 0) return GST_CLOCK_EARLY;
  return status;
}

static void unschedule(GstClock* clock, GstClockEntry* entry) {
  FastClock* self = fast_clock(clock);
  g_mutex_lock(&self->mutex);
  GST_CLOCK_ENTRY_STATUS(entry) = GST_CLOCK_UNSCHEDULED;
  g_cond_broadcast(&self->changed);
  g_mutex_unlock(&self->mutex);
}

static void finalize(GObject* object) {
  FastClock* self = reinterpret_cast<FastClock*>(object);
  g_mutex_clear(&self->mutex);
  g_cond_clear(&self->changed);
  G_OBJECT_CLASS(fast_clock_parent_class)->finalize(object);
}

static void fast_clock_init(FastClock* self) {
  self->speed = 1;
  self->start = g_get_monotonic_time() - G_USEC_PER_SEC;
  g_mutex_init(&self->mutex);
  g_cond_init(&self->changed);
}

static void fast_clock_class_init(FastClockClass* klass) {
  G_OBJECT_CLASS(klass)->finalize = finalize;
  auto* clock_class = GST_CLOCK_CLASS(klass);
  clock_class->get_internal_time = internal_time;
  clock_class->wait = wait;
  clock_class->unschedule = unschedule;
}

namespace digfusion::test {

GstClock* new_fast_clock(double speed) {
  auto* clock = static_cast<FastClock*>(g_object_new(fast_clock_get_type(), nullptr));
  clock->speed = speed;
  return GST_CLOCK(gst_object_ref_sink(clock));
}

}  // namespace digfusion::test
