// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "core/parameters/parameters.h"

namespace digfusion {

/// Of a frame of method=gradient on the CPU, whose numbers are float32.
inline Parameters parameters_of(EvidenceSource evidence) {
  Parameters p;
  p.device = Word("cpu");
  p.precision = Precision::float32;
  p.evidence = evidence;
  return p;
}

}  // namespace digfusion
