// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the parameters of the view ask of the output, for who makes room for it. Knows neither torch nor
// GStreamer.
#pragma once

#include <string>

#include "core/parameters/parameters.h"

namespace digfusion {

/// How many pictures lie beside each other in the output.
int panels_across(View mode);

/// The parameter that needs a coloured output, "palette" or "highlight-above"; null for none.
const char* coloured_by(const Parameters& parameters);

/// Why a gray output can't have it, and what to do.
std::string gray_refusal(const char* coloured_by);

}  // namespace digfusion
