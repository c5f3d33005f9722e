// SPDX-License-Identifier: LGPL-2.1-or-later
//
// From an address to decoded pictures.
#pragma once

#include "pipelines/common/bridge.h"
#include "pipelines/common/options.h"

namespace digfusion::pipelines {

/// A pipeline in the state NULL:
///     SOURCE ! decodebin ! videoconvert ! formats that digfusion takes ! tap
/// where SOURCE is rtspsrc, srtsrc, v4l2src, filesrc, or for other URIs uridecodebin in place of both. The
/// first video stream is taken; sound and the rest aren't even decoded. Decoders are decodebin's choice:
/// the machine's own before software. An address that turns out to have no video is an error on the bus.
/// Throws Failure when an element is missing.
ObjectPtr<GstElement> make_camera_pipeline(const Address& address, const SourceOptions& options,
                                           const Tap& tap);

}  // namespace digfusion::pipelines
