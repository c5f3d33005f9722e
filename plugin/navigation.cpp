// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/navigation.h"

#include <gst/video/navigation.h>

#include <optional>

namespace digfusion {
namespace {

/// The scroll wheel has a place, too, that gst_navigation_event_get_coordinates() of 1.22 doesn't know of.
bool is_scroll(GstEvent* event) {
  return gst_navigation_event_get_type(event) == GST_NAVIGATION_EVENT_MOUSE_SCROLL;
}

std::optional<Point> place_of(GstEvent* event) {
  gdouble x = 0, y = 0;
  const bool has_place = is_scroll(event)
                             ? gst_navigation_event_parse_mouse_scroll_event(event, &x, &y, nullptr, nullptr)
                             : gst_navigation_event_get_coordinates(event, &x, &y);
  return has_place ? std::optional(Point{x, y}) : std::nullopt;
}

/// The event at another place.
GstEvent* moved(GstEvent* event, Point to) {
  if (!is_scroll(event)) {
    GstEvent* copy = gst_event_copy(event);
    gst_navigation_event_set_coordinates(copy, to.x, to.y);
    return copy;
  }
  gdouble x = 0, y = 0, by_x = 0, by_y = 0;
  gst_navigation_event_parse_mouse_scroll_event(event, &x, &y, &by_x, &by_y);
  auto modifiers = GST_NAVIGATION_MODIFIER_NONE;
  gst_navigation_event_parse_modifier_state(event, &modifiers);
  GstEvent* scroll = gst_navigation_event_new_mouse_scroll(to.x, to.y, by_x, by_y, modifiers);
  gst_event_set_seqnum(scroll, gst_event_get_seqnum(event));
  return scroll;
}

}  // namespace

Point shown_at(Point p, View mode, Size visible) {
  const double width = double(visible.width), height = double(visible.height);
  if (mode == View::side_by_side && p.x >= width) return {p.x - width, p.y};
  if (mode == View::picture_in_picture) {
    const double left = width - width / 3;  // of the small picture (core/image/view.h)
    if (p.x >= left && p.y < height / 3) return {(p.x - left) * 3, p.y * 3};
  }
  return p;
}

bool send_navigation(GstEvent* event, View mode, Size visible_size, const InfraredMap* map, GstPad* visible,
                     GstPad* infrared) {
  const std::optional<Point> place = place_of(event);
  bool handled = false;
  if (!place) {
    handled = gst_pad_push_event(visible, gst_event_ref(event));
    return gst_pad_push_event(infrared, event) || handled;
  }
  const Point seen = shown_at(*place, mode, visible_size);
  if (const auto there = map ? map->to_infrared(seen) : std::nullopt)
    handled = gst_pad_push_event(infrared, moved(event, *there));
  handled = gst_pad_push_event(visible, moved(event, seen)) || handled;
  gst_event_unref(event);
  return handled;
}

}  // namespace digfusion
