// SPDX-License-Identifier: LGPL-2.1-or-later
#include <gst/gst.h>

#include "plugin/digfusion.h"
#include "plugin/digtestsrc.h"

static gboolean plugin_init(GstPlugin* plugin) {
  return GST_ELEMENT_REGISTER(digfusion, plugin) && GST_ELEMENT_REGISTER(digtestsrc, plugin);
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, digfusion,
                  "Fusion of visible and infrared video by diffusion information gain", plugin_init, VERSION,
                  "LGPL", PACKAGE, "https://arxiv.org/abs/2503.18627")
