// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/memorycaps.h"

namespace digfusion {
namespace {

enum class In { system, cuda, other };

In memory_of(const GstCaps* caps, guint index) {
  const GstCapsFeatures* features = gst_caps_get_features(caps, index);
  if (!features || gst_caps_features_is_equal(features, GST_CAPS_FEATURES_MEMORY_SYSTEM_MEMORY))
    return In::system;
  if (gst_caps_features_get_size(features) == 1 &&
      gst_caps_features_contains(features, DIGFUSION_CUDA_MEMORY))
    return In::cuda;
  return In::other;
}

CapsRef changed(const GstCaps* caps, const char* feature) {
  CapsRef copy(gst_caps_copy(caps));
  for (guint i = 0; i < gst_caps_get_size(copy.get()); ++i)
    gst_caps_set_features(copy.get(), i, gst_caps_features_new(feature, nullptr));
  return copy;
}

}  // namespace

bool is_cuda(const GstCaps* caps) {
  return caps && gst_caps_get_size(caps) > 0 && memory_of(caps, 0) == In::cuda;
}

CapsRef in_cuda_memory(const GstCaps* caps) { return changed(caps, DIGFUSION_CUDA_MEMORY); }

CapsRef in_system_memory(const GstCaps* caps) { return changed(caps, GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY); }

CapsRef in_either_memory(const GstCaps* caps) {
  if (gst_caps_is_any(caps)) return CapsRef(gst_caps_new_any());
  GstCaps* ours = gst_caps_new_empty();
  for (guint i = 0; i < gst_caps_get_size(caps); ++i)
    if (memory_of(caps, i) != In::other)
      gst_caps_append_structure(ours, gst_structure_copy(gst_caps_get_structure(caps, i)));
  const CapsRef system(ours);
  return CapsRef(gst_caps_merge(in_cuda_memory(ours).release(), gst_caps_copy(ours)));
}

CapsRef without_cuda(const GstCaps* caps) {
  if (gst_caps_is_any(caps)) return CapsRef(gst_caps_new_any());
  GstCaps* rest = gst_caps_copy(caps);
  for (guint i = gst_caps_get_size(rest); i-- > 0;)
    if (memory_of(rest, i) == In::cuda) gst_caps_remove_structure(rest, i);
  return CapsRef(rest);
}

}  // namespace digfusion
