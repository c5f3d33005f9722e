// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The element's CUDA memory: whether there is any, in which context, from which pools, and how a picture in
// it gets to the core. All of it works, and gives system memory, where there is no CUDA.
#pragma once

#include <gst/video/video.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "plugin/bufferref.h"
#include "plugin/cudaloader.h"
#include "plugin/memorycaps.h"
#include "plugin/settings.h"
#include "plugin/videoimage.h"

namespace digfusion {

struct ObjectUnref {
  void operator()(gpointer object) const { gst_object_unref(object); }
};
using ContextRef = std::unique_ptr<GstObject, ObjectUnref>;
using PoolRef = std::unique_ptr<GstBufferPool, ObjectUnref>;
using AllocatorRef = std::unique_ptr<GstAllocator, ObjectUnref>;

/// Any thread, but own_copy() and forget(), which are for the streaming thread. Where the core computes is
/// known when it has been loaded; until then the property `device` tells what to expect.
class GpuMemory {
 public:
  /// Borrows both; they live as long as this.
  GpuMemory(GstElement* element, const Settings& settings) : element_(element), settings_(settings) {}

  /// Whether this machine has CUDA memory.
  bool usable() const { return cuda_door() != nullptr; }

  /// Tells where the core computes: Statistics::device. An empty text isn't known yet.
  void core_is_on(std::string_view device);
  /// Whether that has been told, or doesn't matter.
  bool knows_core() const { return core_device_ != unknown || !usable(); }
  /// Whether the core computes on a GPU, or will.
  bool core_on_gpu() const;
  /// How many pairs of pictures the core may have begun at a time, as far as that is known now.
  int frames_in_flight() const;
  /// A start over: the core is to be loaded again. Gives the context back.
  void forget();

  /// Answers a query for a CUDA context. False for another query, and where the core doesn't use a GPU.
  bool answer_context(GstQuery* query);

  /// `caps`, which are fixed, in the memory that is best for what `downstream` takes: in CUDA memory if it
  /// takes that and the pictures are there anyway. Who takes whatever comes, all of `everything`, may be an
  /// application that knows nothing of CUDA memory, and gets none that wasn't there.
  CapsRef in_best_memory(const GstCaps* caps, const GstCaps* downstream, const GstCaps* everything) const;

  /// A pool of CUDA memory, unconfigured; null where none can be had.
  PoolRef new_pool();
  /// Whether a pool gives CUDA memory that the core can write to.
  bool is_own_pool(GstBufferPool* pool);
  /// Gives memory for pictures that go to or come from the GPU; null where the core doesn't use one.
  AllocatorRef pinned();

  bool is_on_device(GstBuffer* buffer) const;
  /// See CudaDoor::synchronize. For a buffer on a device.
  void synchronize(GstBuffer* buffer) const { cuda_door()->synchronize(buffer); }
  /// How a buffer is to be mapped for the core: on the device if its memory is there and the core, too. To be
  /// read, it is replaced by a copy where it is of another context.
  struct Place {
    GstMapFlags flags = {};
    Memory memory = Memory::host;
    int device = 0;
  };
  Place place_for_reading(GstBuffer*& buffer, const GstVideoInfo& info, BufferRef& copy);
  Place place_for_writing(GstBuffer* buffer);

 private:
  static constexpr int unknown = -2, on_cpu = -1;
  /// The device for our context: the core's, or the one to be expected.
  int device() const;
  /// With a new reference; made the first time, when neighbours and the application are told of it.
  ContextRef context();
  BufferRef own_copy(GstBuffer* buffer, const GstVideoInfo& info, GstObject* context);
  Place on_device() const;

  GstElement* const element_;
  const Settings& settings_;
  std::atomic<int> core_device_{unknown};

  std::mutex mutex_;  ///< a leaf, held while a context is made; guards the next two
  ContextRef context_;
  int context_device_ = -1;

  /// Where pictures of other contexts are copied to; one for each input's caps.
  std::vector<std::pair<GstVideoInfo, PoolRef>> copies_;
};

/// A picture mapped where the core can use it. The caller keeps `buffer` alive.
class CorePicture {
 public:
  enum class Use { read, write };
  CorePicture(GpuMemory& gpu, const GstVideoInfo& info, GstBuffer* buffer, Use use);

  bool mapped() const { return frame_->mapped(); }
  Image image();

 private:
  BufferRef copy_;
  GpuMemory::Place place_;
  std::optional<MappedFrame> frame_;
};

}  // namespace digfusion
