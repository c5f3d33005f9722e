// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How our programs find the plugin that belongs to them, built or installed, with no variable set.
#pragma once

#include <optional>
#include <string>

namespace digfusion {

/// Loads libgstdigfusion.so from the place beside this program: in the build folder, or where both were
/// installed. Does nothing where it isn't there; GStreamer may know it from elsewhere. Returns why it can't
/// be loaded, or nothing. After gst_init().
std::optional<std::string> load_own_plugin();

}  // namespace digfusion
