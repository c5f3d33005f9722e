// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The mouse on the output, told to both cameras' branches in their own pixels.
#pragma once

#include <gst/gst.h>

#include "core/image/infrared_map.h"

namespace digfusion {

/// The point of the visible picture's grid that a point of the output shows. Where `mode` shows two pictures
/// both lie on that grid; points count from the upper left corner of the picture.
Point shown_at(Point output, View mode, Size visible);

/// Sends a navigation event upstream through both pads: to `visible` in visible pixels, to `infrared` in
/// infrared ones, unless the point isn't in the infrared picture or `map` is null. Keys and other events
/// without a place go to both as they are. Takes the event; returns whether anybody has handled it.
bool send_navigation(GstEvent* event, View mode, Size visible_size, const InfraredMap* map, GstPad* visible,
                     GstPad* infrared);

}  // namespace digfusion
