// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A clock that runs faster than the system's, and on which waiting takes as much less. (A calibrated system
// clock runs faster, too, but waits as long as ever.)
#pragma once

#include <gst/gst.h>

namespace digfusion::test {

/// The caller owns it. Waiting for several times in one thread each, and unscheduling, work; asynchronous
/// waiting doesn't.
GstClock* new_fast_clock(double speed);

}  // namespace digfusion::test
