// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/analyse/regions.h"

#include <gst/video/video.h>

namespace digfusion::pipelines {

namespace {

constexpr const char* object_params = "detection";
constexpr const char* motion_params = "motion";

GstVideoRegionOfInterestMeta* add(GstBuffer* buffer, const char* type, const cv::Rect& box,
                                  GstStructure* params) {
  GstVideoRegionOfInterestMeta* meta = gst_buffer_add_video_region_of_interest_meta(
      buffer, type, static_cast<guint>(box.x), static_cast<guint>(box.y), static_cast<guint>(box.width),
      static_cast<guint>(box.height));
  gst_video_region_of_interest_meta_add_param(meta, params);
  meta->id = 0;
  return meta;
}

cv::Rect box_of(const GstVideoRegionOfInterestMeta& meta) {
  return {static_cast<int>(meta.x), static_cast<int>(meta.y), static_cast<int>(meta.w),
          static_cast<int>(meta.h)};
}

}  // namespace

void attach(GstBuffer* buffer, const FoundObject& object) {
  const Detection& detection = object.detection;
  add(buffer, detection.type.c_str(), detection.box,
      gst_structure_new(object_params, "confidence", G_TYPE_DOUBLE, detection.confidence, "label_id",
                        G_TYPE_INT, detection.label, "age", G_TYPE_DOUBLE, object.age, nullptr))
      ->id = detection.id;
}

void attach(GstBuffer* buffer, const MotionArea& area) {
  add(buffer, "motion", area.box,
      gst_structure_new(motion_params, "cells", G_TYPE_INT, area.cells, "age", G_TYPE_DOUBLE, area.age,
                        nullptr));
}

Findings read_findings(GstBuffer* buffer) {
  Findings findings;
  gpointer state = nullptr;
  while (GstMeta* each =
             gst_buffer_iterate_meta_filtered(buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)) {
    auto* meta = reinterpret_cast<GstVideoRegionOfInterestMeta*>(each);
    if (const GstStructure* params = gst_video_region_of_interest_meta_get_param(meta, object_params)) {
      FoundObject object{{.type = g_quark_to_string(meta->roi_type), .box = box_of(*meta), .id = meta->id},
                         0};
      gst_structure_get(params, "confidence", G_TYPE_DOUBLE, &object.detection.confidence, "label_id",
                        G_TYPE_INT, &object.detection.label, "age", G_TYPE_DOUBLE, &object.age, nullptr);
      findings.objects.push_back(object);
    } else if (const GstStructure* params =
                   gst_video_region_of_interest_meta_get_param(meta, motion_params)) {
      MotionArea area{.box = box_of(*meta)};
      gst_structure_get(params, "cells", G_TYPE_INT, &area.cells, "age", G_TYPE_DOUBLE, &area.age, nullptr);
      findings.motion.push_back(area);
    }
  }
  return findings;
}

}  // namespace digfusion::pipelines
