// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/gpumemory.h"

#include <charconv>
#include <string>

#include "plugin/messages.h"

#define GST_CAT_DEFAULT digfusion_debug

namespace digfusion {
namespace {

constexpr const char* context_type = "gst.cuda.context";
constexpr std::string_view cuda_name = "cuda";

/// N of "cuda:N", 0 of "cuda", nothing of other text.
std::optional<int> ordinal_of(std::string_view device) {
  if (!device.starts_with(cuda_name)) return {};
  device.remove_prefix(cuda_name.size());
  int ordinal = 0;
  if (device.empty()) return ordinal;
  const char* end = device.data() + device.size();
  const auto [rest, error] = std::from_chars(device.data() + 1, end, ordinal);
  if (device[0] != ':' || error != std::errc() || rest != end) return {};
  return ordinal;
}

}  // namespace

void GpuMemory::core_is_on(std::string_view device) {
  if (!device.empty()) core_device_ = ordinal_of(device).value_or(on_cpu);
}

int GpuMemory::device() const {
  if (const int known = core_device_; known >= 0) return known;
  return ordinal_of(settings_.parameters().device.view()).value_or(0);
}

bool GpuMemory::core_on_gpu() const {
  if (!usable()) return false;
  const int known = core_device_;
  return known == unknown ? settings_.parameters().device.view() != "cpu" : known >= 0;
}

int GpuMemory::frames_in_flight() const {
  const Parameters parameters = settings_.parameters();
  const int known = core_device_;
  const std::string_view device = parameters.device.view();
  // The core may use a GPU for which GStreamer lacks something.
  const bool expected = device.starts_with(cuda_name) || (device != "cpu" && usable());
  const bool on_gpu = known == unknown ? expected : known >= 0;
  return on_gpu && parameters.batch_streams <= 1 ? parameters.frames_in_flight : 1;
}

void GpuMemory::forget() {
  copies_.clear();
  core_device_ = unknown;
  const std::lock_guard lock(mutex_);
  context_.reset();
}

ContextRef GpuMemory::context() {
  const CudaDoor* const cuda = cuda_door();
  if (!cuda) return nullptr;
  ContextRef result;
  Status status;
  {
    const int wanted = device();
    const std::lock_guard lock(mutex_);
    if (context_ && context_device_ == wanted) return ContextRef(GST_OBJECT(gst_object_ref(context_.get())));
    context_.reset(cuda->primary_context(wanted, &status));
    context_device_ = wanted;
    if (context_) result.reset(GST_OBJECT(gst_object_ref(context_.get())));
  }
  if (!result) {
    GST_ELEMENT_WARNING(element_, RESOURCE, FAILED, ("There is no CUDA memory: %s", status.message),
                        (nullptr));
    return nullptr;
  }
  GstContext* shared = cuda->share(result.get());
  gst_element_post_message(element_, gst_message_new_have_context(GST_OBJECT(element_), shared));
  return result;
}

bool GpuMemory::answer_context(GstQuery* query) {
  const gchar* type = nullptr;
  if (!gst_query_parse_context_type(query, &type) || !type || std::string_view(type) != context_type)
    return false;
  if (!core_on_gpu()) return false;
  const ContextRef own = context();
  if (!own) return false;
  GstContext* shared = cuda_door()->share(own.get());
  gst_query_set_context(query, shared);
  gst_context_unref(shared);
  return true;
}

CapsRef GpuMemory::in_best_memory(const GstCaps* caps, const GstCaps* downstream,
                                  const GstCaps* everything) const {
  if (!usable()) return CapsRef(gst_caps_copy(caps));
  CapsRef cuda = in_cuda_memory(caps), system = in_system_memory(caps);
  if (!gst_caps_can_intersect(downstream, cuda.get())) return system;
  const bool takes_anything = gst_caps_is_subset(everything, downstream);
  const bool are_there = is_cuda(caps) || (core_on_gpu() && !takes_anything);
  return are_there || !gst_caps_can_intersect(downstream, system.get()) ? std::move(cuda) : std::move(system);
}

PoolRef GpuMemory::new_pool() {
  const ContextRef own = context();
  return PoolRef(own ? cuda_door()->new_pool(own.get()) : nullptr);
}

bool GpuMemory::is_own_pool(GstBufferPool* pool) {
  const ContextRef own = context();
  return own && cuda_door()->pool_is_of(pool, own.get());
}

AllocatorRef GpuMemory::pinned() {
  if (!core_on_gpu()) return nullptr;
  const ContextRef own = context();
  return AllocatorRef(own ? cuda_door()->new_pinned(own.get()) : nullptr);
}

bool GpuMemory::is_on_device(GstBuffer* buffer) const {
  const CudaDoor* const cuda = cuda_door();
  return cuda && cuda->is_on_device(buffer);
}

GpuMemory::Place GpuMemory::on_device() const {
  return {cuda_door()->map_on_device, Memory::cuda, core_device_};
}

GpuMemory::Place GpuMemory::place_for_writing(GstBuffer* buffer) {
  if (core_device_ < 0 || !is_on_device(buffer)) return {};
  const ContextRef own = context();
  if (!own || !cuda_door()->is_of(buffer, own.get())) return {};
  return on_device();
}

GpuMemory::Place GpuMemory::place_for_reading(GstBuffer*& buffer, const GstVideoInfo& info, BufferRef& copy) {
  if (core_device_ < 0 || !is_on_device(buffer)) return {};
  const ContextRef own = context();
  if (!own) return {};
  if (!cuda_door()->is_of(buffer, own.get())) {
    copy = own_copy(buffer, info, own.get());
    if (!copy) return {};  // through the host
    buffer = copy.get();
  }
  return on_device();
}

BufferRef GpuMemory::own_copy(GstBuffer* buffer, const GstVideoInfo& info, GstObject* context) {
  GstBufferPool* pool = nullptr;
  for (const auto& [known, own] : copies_)
    if (gst_video_info_is_equal(&known, &info)) pool = own.get();
  if (!pool) {
    constexpr std::size_t inputs = 2;
    if (copies_.size() >= inputs) copies_.erase(copies_.begin());
    PoolRef made(cuda_door()->new_pool(context));
    const CapsRef any(gst_video_info_to_caps(const_cast<GstVideoInfo*>(&info)));
    const CapsRef caps = in_cuda_memory(any.get());
    GstStructure* config = gst_buffer_pool_get_config(made.get());
    gst_buffer_pool_config_set_params(config, caps.get(), static_cast<guint>(GST_VIDEO_INFO_SIZE(&info)), 0,
                                      0);
    if (!gst_buffer_pool_set_config(made.get(), config)) return nullptr;
    pool = copies_.emplace_back(info, std::move(made)).second.get();
  }
  GstBuffer* copy = nullptr;
  if (!gst_buffer_pool_set_active(pool, TRUE) ||
      gst_buffer_pool_acquire_buffer(pool, &copy, nullptr) != GST_FLOW_OK)
    return nullptr;
  BufferRef result(copy);
  if (const Status status = cuda_door()->copy(buffer, copy, &info, context); !status.ok()) {
    GST_WARNING_OBJECT(element_, "%s", status.message);
    return nullptr;
  }
  return result;
}

CorePicture::CorePicture(GpuMemory& gpu, const GstVideoInfo& info, GstBuffer* buffer, Use use)
    : place_(use == Use::read ? gpu.place_for_reading(buffer, info, copy_) : gpu.place_for_writing(buffer)) {
  const int access = use == Use::read ? GST_MAP_READ : GST_MAP_WRITE;
  frame_.emplace(info, buffer, static_cast<GstMapFlags>(access | int{place_.flags}));
  if (place_.memory == Memory::cuda && use == Use::read) gpu.synchronize(buffer);
}

Image CorePicture::image() {
  Image image = as_image(frame_->frame());
  image.memory = place_.memory;
  image.device = place_.device;
  return image;
}

}  // namespace digfusion
