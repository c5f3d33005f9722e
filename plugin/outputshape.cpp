// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/outputshape.h"

#include <algorithm>

namespace digfusion {
namespace {

/// Ranges become narrower where their ends don't divide. False when nothing is left.
bool scale(const GValue* from, GValue* to, int times, int over) {
  const auto scaled = [&](int value, bool up) {
    const gint64 product = gint64{value} * times;
    return static_cast<int>(std::min<gint64>((product + (up ? over - 1 : 0)) / over, G_MAXINT));
  };
  if (G_VALUE_HOLDS_INT(from)) {
    const int value = g_value_get_int(from);
    if (value % over > 0) return false;
    g_value_init(to, G_TYPE_INT);
    g_value_set_int(to, scaled(value, false));
    return true;
  }
  if (GST_VALUE_HOLDS_INT_RANGE(from)) {
    const int low = scaled(gst_value_get_int_range_min(from), true),
              high = scaled(gst_value_get_int_range_max(from), false);
    if (low > high) return false;
    g_value_init(to, low < high ? GST_TYPE_INT_RANGE : G_TYPE_INT);
    if (low < high)
      gst_value_set_int_range(to, low, high);
    else
      g_value_set_int(to, low);
    return true;
  }
  if (!GST_VALUE_HOLDS_LIST(from)) return false;
  g_value_init(to, GST_TYPE_LIST);
  for (guint i = 0; i < gst_value_list_get_size(from); ++i) {
    GValue value = G_VALUE_INIT;
    if (scale(gst_value_list_get_value(from, i), &value, times, over))
      gst_value_list_append_and_take_value(to, &value);
  }
  if (gst_value_list_get_size(to) > 0) return true;
  g_value_unset(to);
  return false;
}

}  // namespace

GstCaps* scaled_widths(GstCaps* caps, int times, int over) {
  if (times == over || gst_caps_is_any(caps)) return gst_caps_ref(caps);
  GstCaps* result = gst_caps_new_empty();
  for (guint i = 0; i < gst_caps_get_size(caps); ++i) {
    GstStructure* structure = gst_structure_copy(gst_caps_get_structure(caps, i));
    if (const GValue* width = gst_structure_get_value(structure, "width")) {
      GValue scaled = G_VALUE_INIT;
      if (!scale(width, &scaled, times, over)) {
        gst_structure_free(structure);
        continue;
      }
      gst_structure_take_value(structure, "width", &scaled);
    }
    GstCapsFeatures* features = gst_caps_features_copy(gst_caps_get_features(caps, i));
    gst_caps_append_structure_full(result, structure, features);
  }
  return result;
}

GstCaps* peer_caps_across(GstPad* pad, GstCaps* wanted, int times, int over) {
  GstCaps* asked = wanted ? scaled_widths(wanted, times, over) : nullptr;
  GstCaps* peer = gst_pad_peer_query_caps(pad, asked);
  GstCaps* result = scaled_widths(peer, over, times);
  gst_clear_caps(&asked);
  gst_caps_unref(peer);
  return result;
}

}  // namespace digfusion
