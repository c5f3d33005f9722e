// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/cuda/pinned.h"

#include "plugin/cuda/gstcuda.h"

struct DigfusionPinnedAllocator {
  GstAllocator parent;
  const digfusion::Driver* driver;
  GstObject* context;  ///< owned
};
struct DigfusionPinnedAllocatorClass {
  GstAllocatorClass parent_class;
};

G_DEFINE_TYPE(DigfusionPinnedAllocator, digfusion_pinned_allocator, GST_TYPE_ALLOCATOR)

namespace digfusion {
namespace {

/// A piece of pinned memory.
struct Pinned {
  const Driver* driver;
  GstObject* context;  ///< owned
  void* data;
};

void free_pinned(gpointer user) {
  auto* pinned = static_cast<Pinned*>(user);
  {
    const Current current(*pinned->driver, handle_of(pinned->context));
    pinned->driver->host_free(pinned->data);
  }
  gst_object_unref(pinned->context);
  delete pinned;
}

GstMemory* allocate(GstAllocator* allocator, gsize size, GstAllocationParams* params) {
  auto* self = reinterpret_cast<DigfusionPinnedAllocator*>(allocator);
  const gsize whole = size + params->prefix + params->padding;
  void* data = nullptr;
  {
    const Current current(*self->driver, handle_of(self->context));
    if (current.result == CUDA_SUCCESS &&
        self->driver->host_alloc(&data, whole, CU_MEMHOSTALLOC_PORTABLE) != CUDA_SUCCESS)
      data = nullptr;
  }
  if (!data) return gst_allocator_alloc(nullptr, size, params);
  auto* pinned = new Pinned{self->driver, GST_OBJECT(gst_object_ref(self->context)), data};
  return gst_memory_new_wrapped(params->flags, data, whole, params->prefix, size, pinned, &free_pinned);
}

void finalize(GObject* object) {
  gst_object_unref(reinterpret_cast<DigfusionPinnedAllocator*>(object)->context);
  G_OBJECT_CLASS(digfusion_pinned_allocator_parent_class)->finalize(object);
}

}  // namespace

GstAllocator* new_pinned_allocator(const Driver& driver, GstObject* context) {
  auto* self = static_cast<DigfusionPinnedAllocator*>(
      gst_object_ref_sink(g_object_new(digfusion_pinned_allocator_get_type(), nullptr)));
  self->driver = &driver;
  self->context = GST_OBJECT(gst_object_ref(context));
  return GST_ALLOCATOR(self);
}

}  // namespace digfusion

static void digfusion_pinned_allocator_class_init(DigfusionPinnedAllocatorClass* klass) {
  G_OBJECT_CLASS(klass)->finalize = digfusion::finalize;
  GST_ALLOCATOR_CLASS(klass)->alloc = digfusion::allocate;
}

static void digfusion_pinned_allocator_init(DigfusionPinnedAllocator* self) {
  // Its memory, once wrapped, is system memory, which frees itself.
  GST_ALLOCATOR(self)->mem_type = GST_ALLOCATOR_SYSMEM;
}
