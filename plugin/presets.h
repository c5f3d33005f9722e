// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which properties GstPreset saves and loads: all of the element's that can be set. Where and how is
// GStreamer's own.
#pragma once

#include <gst/gst.h>

namespace digfusion {

/// Interface initialiser of GST_TYPE_PRESET.
void every_property_as_preset(gpointer interface, gpointer);

}  // namespace digfusion
