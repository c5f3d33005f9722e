// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Run by the build: writes the table's presets as GStreamer's preset file of the element (GstPreset), which
// programs list and load by name. A preset sets everything that belongs to it when `preset` is set.
#include <cstdio>

#include "core/parameters/parameters.h"

int main() {
  // What a user saves has GStreamer's version, and comes over files of a lower one.
  std::printf("[_presets_]\nelement-name=GstDigfusion\nversion=0.0.1\n");
  for (const digfusion::Choice& preset : digfusion::find_parameter("preset")->choices)
    std::printf("\n[%s]\n_meta/comment=%s\npreset=%s\n", preset.nick, preset.blurb, preset.nick);
  return 0;
}
