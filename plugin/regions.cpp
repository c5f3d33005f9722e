// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/regions.h"

#include <algorithm>
#include <cmath>

namespace digfusion {
namespace {

const GstVideoRegionOfInterestMeta* next_region(GstBuffer* buffer, gpointer* state) {
  return reinterpret_cast<GstVideoRegionOfInterestMeta*>(
      gst_buffer_iterate_meta_filtered(buffer, state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE));
}

/// Whole pixels that hold the box, but for what rounding adds to it.
struct Pixels {
  explicit Pixels(const Box& box)
      : x(at_least(box.left)),
        y(at_least(box.top)),
        width(at_most(box.right) - x),
        height(at_most(box.bottom) - y) {}
  static guint at_least(double place) { return static_cast<guint>(std::floor(place + rounding)); }
  static guint at_most(double place) { return static_cast<guint>(std::ceil(place - rounding)); }
  static constexpr double rounding = 1e-3;
  guint x, y, width, height;
};

}  // namespace

bool has_regions(GstBuffer* buffer) {
  gpointer state = nullptr;
  return next_region(buffer, &state) != nullptr;
}

void map_regions(GstBuffer* infrared, const InfraredMap& map, GstBuffer* to, guint right) {
  gpointer state = nullptr;
  while (const auto* region = next_region(infrared, &state)) {
    const double left = region->x, top = region->y;
    const auto box = map.to_visible(Box{left, top, left + region->w, top + region->h});
    if (!box) continue;
    const Pixels pixels(*box);
    auto* mapped = gst_buffer_add_video_region_of_interest_meta_id(to, region->roi_type, right + pixels.x,
                                                                   pixels.y, pixels.width, pixels.height);
    mapped->id = region->id;
    mapped->parent_id = region->parent_id;
    for (const GList* param = region->params; param; param = param->next)
      gst_video_region_of_interest_meta_add_param(
          mapped, gst_structure_copy(static_cast<GstStructure*>(param->data)));
    gst_video_region_of_interest_meta_add_param(
        mapped,
        gst_structure_new("digfusion-infrared", "x", G_TYPE_UINT, region->x, "y", G_TYPE_UINT, region->y,
                          "width", G_TYPE_UINT, region->w, "height", G_TYPE_UINT, region->h, nullptr));
  }
}

}  // namespace digfusion
