// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/own_plugin.h"

#include <gst/gst.h>

#include <filesystem>
#include <system_error>

namespace digfusion {

std::optional<std::string> load_own_plugin() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  // Beside a program of plugin/, from one of pipelines/NAME/, installed.
  for (const char* folder : {".", "../../plugin", DIGFUSION_PLUGINS_FROM_PROGRAM}) {
    const auto file = (self.parent_path() / folder / "libgstdigfusion.so").lexically_normal();
    if (!std::filesystem::exists(file, error)) continue;
    GError* reason = nullptr;
    GstPlugin* plugin = gst_plugin_load_file(file.c_str(), &reason);
    if (!plugin) {
      const std::string why = file.string() + ": " + (reason ? reason->message : "unknown error");
      g_clear_error(&reason);
      return why;
    }
    gst_object_unref(plugin);
    return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace digfusion
