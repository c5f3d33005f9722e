// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The table of parameters as GObject properties, and the element's own ones.
#pragma once

#include <gst/gst.h>

#include <optional>

#include "core/interface/interface.h"
#include "core/parameters/parameters.h"
#include "plugin/settings.h"

namespace digfusion {

/// Property numbers: the element's own, then one for each row of parameter_table().
enum PropertyId : guint { prop_stats = 1, prop_force_live, prop_first_own, prop_first_parameter = 100 };

/// Installs every property and registers the enumerations as the plugin's API.
void install_properties(GObjectClass* object_class);

/// Sets or gets a property that stands for one of the StreamSettings. False when that number is none of them.
bool set_own(Settings& settings, guint id, const GValue* from);
bool get_own(const Settings& settings, guint id, GValue* to);

/// As typed by the user.
const char* name_of(LossPolicy policy);
inline const char* name_of(Preset preset) { return name_of("preset", static_cast<int>(preset)); }

/// The row behind a property number, or null for the element's own.
const ParameterSpec* parameter_of(guint property_id);

Value to_value(const ParameterSpec& spec, const GValue* from);
void from_value(const ParameterSpec& spec, const Value& value, GValue* to);

/// What the element counted itself; the rest of `stats` comes from the core.
struct StreamCounts {
  guint64 frames = 0;                               ///< pictures sent downstream, fused or not
  guint64 dropped = 0;                              ///< infrared pictures that no visible one was fused with
  guint64 passed_through = 0;                       ///< visible pictures sent downstream unfused
  guint64 failures = 0;                             ///< of these, the ones that should have been fused
  guint64 blanked = 0;                              ///< black pictures sent
  guint64 late = 0;                                 ///< visible pictures dropped because they came too late
  guint64 infrared_losses = 0, visible_losses = 0;  ///< how often a stream got lost
  guint64 infrared_freezes = 0;
  Preset preset = Preset::realtime;          ///< that computes; another than the one set where adaptive
  std::optional<double> infrared_offset_ms;  ///< clock.h
  std::optional<double> infrared_drift_ppm;
};

/// The `stats` property; the caller owns it.
GstStructure* to_structure(const StreamCounts& counts, const Statistics& statistics);

}  // namespace digfusion
