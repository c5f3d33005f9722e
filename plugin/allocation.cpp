// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/allocation.h"

#include <algorithm>

namespace digfusion {
namespace {

/// Whether the pool takes this configuration.
bool configure(GstBufferPool* pool, GstCaps* caps, guint size, guint min, guint max, GstAllocator* allocator,
               const GstAllocationParams& params, bool video_meta) {
  GstStructure* config = gst_buffer_pool_get_config(pool);
  gst_buffer_pool_config_set_params(config, caps, size, min, max);
  gst_buffer_pool_config_set_allocator(config, allocator, &params);
  if (video_meta) gst_buffer_pool_config_add_option(config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  if (gst_buffer_pool_set_config(pool, config)) return true;
  // A pool may have changed what it was asked for; small changes are fine.
  config = gst_buffer_pool_get_config(pool);
  if (gst_buffer_pool_config_validate_params(config, caps, size, min, max))
    return gst_buffer_pool_set_config(pool, config);
  gst_structure_free(config);
  return false;
}

/// The pool with this configuration; null when it refuses it. Consumes `pool` then.
GstBufferPool* configured(GstBufferPool* pool, GstCaps* caps, guint size, guint min, guint max,
                          GstAllocator* allocator, const GstAllocationParams& params, bool video_meta) {
  if (configure(pool, caps, size, min, max, allocator, params, video_meta)) return pool;
  gst_object_unref(pool);
  return nullptr;
}

/// Bytes of a buffer, as the pool itself says: those of a CUDA picture depend on the device.
guint size_of(GstBufferPool* pool) {
  guint size = 0;
  GstStructure* config = gst_buffer_pool_get_config(pool);
  gst_buffer_pool_config_get_params(config, nullptr, &size, nullptr, nullptr);
  gst_structure_free(config);
  return size;
}

struct CopyMetas {
  GstBuffer* from;
  GstBuffer* to;
};

gboolean copy_meta(GstBuffer*, GstMeta** meta, gpointer user) {
  const auto* copy = static_cast<CopyMetas*>(user);
  const GstMetaInfo* info = (*meta)->info;
  // The output has its own memory; format, size and colours are as they were, so all other tags are met.
  static const GQuark memory = g_quark_from_static_string(GST_META_TAG_MEMORY_STR);
  static const GQuark reference = g_quark_from_static_string("memory-reference");
  if (gst_meta_api_type_has_tag(info->api, memory) || gst_meta_api_type_has_tag(info->api, reference))
    return TRUE;
  if (info->transform_func) {
    GstMetaTransformCopy whole = {FALSE, 0, static_cast<gsize>(-1)};
    info->transform_func(copy->to, *meta, copy->from, _gst_meta_transform_copy, &whole);
  }
  return TRUE;
}

}  // namespace

bool decide_pool(GstQuery* query, bool& video_meta, GpuMemory& gpu) {
  GstCaps* caps = nullptr;
  gst_query_parse_allocation(query, &caps, nullptr);
  GstVideoInfo info;
  if (!caps || !gst_video_info_from_caps(&info, caps)) return false;
  const bool cuda = is_cuda(caps);
  // Who takes CUDA memory reads it by GstVideoMeta, or by what the memory itself tells.
  video_meta = cuda || gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);

  GstAllocator* allocator = nullptr;
  GstAllocationParams params;
  gst_allocation_params_init(&params);
  const bool has_params = gst_query_get_n_allocation_params(query) > 0;
  if (has_params) gst_query_parse_nth_allocation_param(query, 0, &allocator, &params);
  params.align = std::max<gsize>(params.align, 15);

  GstBufferPool* pool = nullptr;
  guint size = static_cast<guint>(GST_VIDEO_INFO_SIZE(&info)), min = 0, max = 0;
  const bool has_pool = gst_query_get_n_allocation_pools(query) > 0;
  if (has_pool) {
    guint wanted = 0;
    gst_query_parse_nth_allocation_pool(query, 0, &pool, &wanted, &min, &max);
    size = std::max(size, wanted);
  }
  // Beside those that downstream keeps: the ones in flight, but for the last, which it has asked for. A pool
  // that can't have as many has fewer in flight.
  guint wished = min + static_cast<guint>(gpu.frames_in_flight() - 1);
  if (max > 0) wished = std::min(wished, max);
  if (cuda && pool && !gpu.is_own_pool(pool)) gst_clear_object(&pool);
  if (pool && configure(pool, caps, size, wished, max, allocator, params, video_meta))
    min = wished;
  else if (pool)
    pool = configured(pool, caps, size, min, max, allocator, params, video_meta);
  if (!pool) {
    min = wished;
    const AllocatorRef pinned = cuda || allocator ? nullptr : gpu.pinned();
    GstBufferPool* own = cuda ? gpu.new_pool().release() : gst_video_buffer_pool_new();
    if (own)
      pool = configured(own, caps, size, min, max, pinned ? pinned.get() : allocator, params, video_meta);
  }
  if (pool) {
    size = size_of(pool);
    if (has_params)
      gst_query_set_nth_allocation_param(query, 0, allocator, &params);
    else
      gst_query_add_allocation_param(query, allocator, &params);
    if (has_pool)
      gst_query_set_nth_allocation_pool(query, 0, pool, size, min, max);
    else
      gst_query_add_allocation_pool(query, pool, size, min, max);
    gst_object_unref(pool);
  }
  if (allocator) gst_object_unref(allocator);
  return pool != nullptr;
}

bool propose_pool(GstQuery* query, GpuMemory& gpu) {
  GstCaps* caps = nullptr;
  gboolean need_pool = FALSE;
  gst_query_parse_allocation(query, &caps, &need_pool);
  GstVideoInfo info;
  if (!caps || !gst_video_info_from_caps(&info, caps)) return false;
  // One in the queue, one in hand, and those being fused.
  const guint kept = 2 + static_cast<guint>(gpu.frames_in_flight());
  guint size = static_cast<guint>(GST_VIDEO_INFO_SIZE(&info));
  GstAllocationParams params;
  gst_allocation_params_init(&params);
  GstBufferPool* pool = nullptr;
  if (need_pool && is_cuda(caps)) {
    pool = gpu.new_pool().release();
    if (pool) pool = configured(pool, caps, size, kept, 0, nullptr, params, true);
  } else if (const AllocatorRef pinned = need_pool ? gpu.pinned() : nullptr) {
    gst_query_add_allocation_param(query, pinned.get(), &params);
    pool = configured(gst_video_buffer_pool_new(), caps, size, kept, 0, pinned.get(), params, true);
  }
  if (pool) size = size_of(pool);
  gst_query_add_allocation_pool(query, pool, size, kept, 0);
  if (pool) gst_object_unref(pool);
  gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  return true;
}

void copy_metadata(GstBuffer* from, GstBuffer* to) {
  gst_buffer_copy_into(to, from,
                       static_cast<GstBufferCopyFlags>(GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS), 0,
                       static_cast<gsize>(-1));
  CopyMetas copy = {from, to};
  gst_buffer_foreach_meta(from, &copy_meta, &copy);
}

void remove_captions(GstBuffer* buffer) {
  gst_buffer_foreach_meta(
      buffer,
      +[](GstBuffer*, GstMeta** meta, gpointer) -> gboolean {
        if ((*meta)->info->api == GST_VIDEO_CAPTION_META_API_TYPE) *meta = nullptr;
        return TRUE;
      },
      nullptr);
}

bool has_default_layout(GstBuffer* buffer, const GstVideoInfo& info) {
  const GstVideoMeta* meta = gst_buffer_get_video_meta(buffer);
  if (!meta) return true;
  for (guint p = 0; p < meta->n_planes; ++p)
    if (meta->stride[p] != info.stride[p] || meta->offset[p] != info.offset[p]) return false;
  return true;
}

}  // namespace digfusion
