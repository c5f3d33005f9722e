// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/parameters/view.h"

namespace digfusion {

int panels_across(View mode) { return mode == View::side_by_side ? 2 : 1; }

const char* coloured_by(const Parameters& p) {
  const Parameters defaults;  // have none
  if (p.palette != defaults.palette) return "palette";
  return p.highlight_above != defaults.highlight_above ? "highlight-above" : nullptr;
}

std::string gray_refusal(const char* coloured_by) {
  return std::string("parameter ") + coloured_by +
         ": a gray picture can't show colours; give the visible picture in a colour format, such as I420 or "
         "RGB, or set " +
         coloured_by + "=none";
}

}  // namespace digfusion
