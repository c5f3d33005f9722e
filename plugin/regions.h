// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What was found in the infrared picture, told of the fused one.
#pragma once

#include <gst/video/video.h>

#include "core/image/infrared_map.h"

namespace digfusion {

/// Whether a buffer has a GstVideoRegionOfInterestMeta.
bool has_regions(GstBuffer* buffer);

/// Gives `to`, which is writable, every region of interest of `infrared` as the smallest rectangle around it
/// on the visible picture, with its type, numbers and parameters, and one parameter more:
/// "digfusion-infrared" with x, y, width and height (guint), the region as it was in the infrared picture. A
/// region of which nothing can be seen on the visible picture is left out. `right`: how many pixels of the
/// output lie before that picture.
void map_regions(GstBuffer* infrared, const InfraredMap& map, GstBuffer* to, guint right = 0);

}  // namespace digfusion
