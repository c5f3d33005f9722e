// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/inputpad.h"

#include <atomic>
#include <cstdint>

namespace digfusion {
namespace {

/// Written by the streaming thread, read by any.
struct Arrivals {
  std::atomic<std::int64_t> last{0};  ///< monotonic microseconds; 0: none yet
  std::atomic<guint64> frames{0};
};

enum PadProperty : guint { pad_age = 1, pad_frames };

}  // namespace
}  // namespace digfusion

struct _GstDigfusionPad {
  GstAggregatorPad parent;
  digfusion::Arrivals* arrivals;  ///< created with the pad, deleted in finalize
};

G_DEFINE_TYPE(GstDigfusionPad, gst_digfusion_pad, GST_TYPE_AGGREGATOR_PAD)

namespace digfusion {

void note_arrival(GstDigfusionPad* pad) {
  pad->arrivals->last = g_get_monotonic_time();
  ++pad->arrivals->frames;
}

void forget_arrivals(GstDigfusionPad* pad) {
  pad->arrivals->last = 0;
  pad->arrivals->frames = 0;
}

namespace {

void get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  const Arrivals& arrivals = *GST_DIGFUSION_PAD(object)->arrivals;
  const std::int64_t last = arrivals.last;
  switch (id) {
    case pad_age:
      return g_value_set_uint64(
          value, last == 0 ? GST_CLOCK_TIME_NONE
                           : static_cast<guint64>(g_get_monotonic_time() - last) * GST_USECOND);
    case pad_frames:
      return g_value_set_uint64(value, arrivals.frames);
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

void finalize(GObject* object) {
  delete GST_DIGFUSION_PAD(object)->arrivals;
  G_OBJECT_CLASS(gst_digfusion_pad_parent_class)->finalize(object);
}

guint children_count(GstChildProxy* parent) {
  GST_OBJECT_LOCK(parent);
  const guint count = GST_ELEMENT(parent)->numsinkpads;
  GST_OBJECT_UNLOCK(parent);
  return count;
}

GObject* child_by_index(GstChildProxy* parent, guint index) {
  GST_OBJECT_LOCK(parent);
  auto* pad = static_cast<GObject*>(g_list_nth_data(GST_ELEMENT(parent)->sinkpads, index));
  if (pad) g_object_ref(pad);
  GST_OBJECT_UNLOCK(parent);
  return pad;
}

}  // namespace

void pads_as_children(gpointer interface, gpointer) {
  auto* proxy = static_cast<GstChildProxyInterface*>(interface);
  proxy->get_children_count = children_count;
  proxy->get_child_by_index = child_by_index;
}

}  // namespace digfusion

static void gst_digfusion_pad_init(GstDigfusionPad* self) { self->arrivals = new digfusion::Arrivals; }

static void gst_digfusion_pad_class_init(GstDigfusionPadClass* klass) {
  auto* object_class = G_OBJECT_CLASS(klass);
  object_class->get_property = digfusion::get_property;
  object_class->finalize = digfusion::finalize;
  constexpr auto readable = static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_property(
      object_class, digfusion::pad_age,
      g_param_spec_uint64("age", "Age",
                          "Nanoseconds by the machine's clock since the last picture was taken up; "
                          "18446744073709551615 before the first",
                          0, G_MAXUINT64, G_MAXUINT64, readable));
  g_object_class_install_property(
      object_class, digfusion::pad_frames,
      g_param_spec_uint64("frames", "Frames", "Pictures taken up since the stream's start", 0, G_MAXUINT64, 0,
                          readable));
  gst_type_mark_as_plugin_api(GST_TYPE_DIGFUSION_PAD, static_cast<GstPluginAPIFlags>(0));
}
