// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "pipelines/common/frame.h"

namespace digfusion::pipelines {

/// A black picture of this size and format at this running time. Throws Failure for caps that are no raw
/// video's.
Frame black_picture(GstCaps* caps, GstClockTime time);

}  // namespace digfusion::pipelines
