// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The infrared camera's faults as properties of digtestsrc.
#pragma once

#include <gst/gst.h>

#include "core/scene/faults.h"

namespace digfusion {

/// Installs a property "infrared-…" for each fault, numbered from `first_id`.
void install_fault_properties(GObjectClass* object_class, guint first_id);

/// Sets or gets the fault of the property `index` after the first. False when there is none.
bool set_fault(scene::Faults& faults, guint index, const GValue* from);
bool get_fault(const scene::Faults& faults, guint index, GValue* to);

}  // namespace digfusion
