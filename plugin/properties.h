// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The table of parameters as GObject properties, and the element's own ones.
#pragma once

#include <gst/gst.h>

#include "core/interface/interface.h"
#include "core/parameters/parameters.h"
#include "plugin/settings.h"

namespace digfusion {

/// Property numbers: the element's own, then one for each row of parameter_table().
enum PropertyId : guint { prop_eos_policy = 1, prop_max_failures, prop_stats, prop_first_parameter };

/// Installs every property and registers the enumerations as the plugin's API.
void install_properties(GObjectClass* object_class);

/// The row behind a property number, or null for the element's own.
const ParameterSpec* parameter_of(guint property_id);

Value to_value(const ParameterSpec& spec, const GValue* from);
void from_value(const ParameterSpec& spec, const Value& value, GValue* to);

/// What the element counted itself; the rest of `stats` comes from the core.
struct StreamCounts {
  guint64 frames = 0;          ///< pictures sent downstream, fused or not
  guint64 dropped = 0;         ///< infrared pictures that no visible one was fused with
  guint64 passed_through = 0;  ///< visible pictures sent downstream unfused
  guint64 failures = 0;        ///< of these, the ones that should have been fused
};

/// The `stats` property; the caller owns it.
GstStructure* to_structure(const StreamCounts& counts, const Statistics& statistics);

}  // namespace digfusion
