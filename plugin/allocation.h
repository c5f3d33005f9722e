// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Memory between the element and its neighbours: pools negotiated downstream, what upstream is offered, and
// how a buffer's metadata goes along.
#pragma once

#include <gst/video/video.h>

#include "plugin/gpumemory.h"

namespace digfusion {

/// Settles on downstream's pool, or one of our own, for the caps of the ALLOCATION query. `video_meta` is set
/// to whether downstream understands GstVideoMeta. False when no pool can be configured. Of CUDA memory, for
/// caps that ask for it, the pool is one that the core can write to.
bool decide_pool(GstQuery* query, bool& video_meta, GpuMemory& gpu);

/// Offers upstream GstVideoMeta (any strides will do) and tells how many buffers are kept at a time; with a
/// pool of CUDA memory for caps that ask for it, and of pinned memory where pictures are to go to the GPU.
bool propose_pool(GstQuery* query, GpuMemory& gpu);

/// Timestamps, flags and every meta that doesn't describe the memory itself go from `from` to `to`.
void copy_metadata(GstBuffer* from, GstBuffer* to);

/// Takes closed captions from a writable buffer.
void remove_captions(GstBuffer* buffer);

/// Whether downstream can read `buffer` by its caps alone, without GstVideoMeta.
bool has_default_layout(GstBuffer* buffer, const GstVideoInfo& info);

}  // namespace digfusion
