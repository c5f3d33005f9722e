// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/picturemeta.h"

#include <gst/video/gstvideometa.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "plugin/properties.h"

namespace digfusion {
namespace {

constexpr const char* meta_name = "GstDigfusionMeta";
constexpr const char* sent_names[] = {"fused", "visible", "infrared", "blank"};

void set_numbers(GstStructure* fields, std::initializer_list<std::pair<const char*, double>> numbers) {
  for (const auto& [name, number] : numbers)
    if (!std::isnan(number)) gst_structure_set(fields, name, G_TYPE_DOUBLE, number, nullptr);
}

void set_weights(GstStructure* fields, const FrameReport& report) {
  const int levels = std::min<int>(report.levels, std::size(report.weight_mean));
  if (levels <= 0) return;
  GValue weights = G_VALUE_INIT, weight = G_VALUE_INIT;
  gst_value_array_init(&weights, static_cast<guint>(levels));
  for (int i = 0; i < levels; ++i) {
    g_value_init(&weight, G_TYPE_DOUBLE);
    g_value_set_double(&weight, report.weight_mean[i]);
    gst_value_array_append_and_take_value(&weights, &weight);
    weight = G_VALUE_INIT;
  }
  gst_structure_take_value(fields, "weights", &weights);
}

}  // namespace

void register_picture_meta() {
  if (gst_meta_get_info(meta_name)) return;
  // Of the video as a whole: scalers and encoders may keep it.
  static const gchar* tags[] = {GST_META_TAG_VIDEO_STR, nullptr};
  gst_meta_register_custom(meta_name, tags, nullptr, nullptr, nullptr);
}

void add_picture_meta(GstBuffer* buffer, Sent sent, View mode, Preset preset, const Making* making) {
  if (GstCustomMeta* before = gst_buffer_get_custom_meta(buffer, meta_name))
    gst_buffer_remove_meta(buffer, &before->meta);
  GstCustomMeta* meta = gst_buffer_add_custom_meta(buffer, meta_name);
  if (!meta) return;
  GstStructure* fields = gst_custom_meta_get_structure(meta);
  gst_structure_set(fields, "picture", G_TYPE_STRING, sent_names[static_cast<int>(sent)], "mode",
                    G_TYPE_STRING, name_of("mode", static_cast<int>(mode)), "preset", G_TYPE_STRING,
                    name_of(preset), nullptr);
  if (!making) return;
  gst_structure_set(fields, "pairing-error", G_TYPE_INT64, gint64{making->pairing_error}, "infrared-age",
                    G_TYPE_UINT64, static_cast<guint64>(making->infrared_age), nullptr);
  const FrameReport& report = making->report;
  set_weights(fields, report);
  set_numbers(fields, {{"black-value", report.black_value},
                       {"white-value", report.white_value},
                       {"black-celsius", report.black_celsius},
                       {"white-celsius", report.white_celsius},
                       {"refined-x", report.refined_x},
                       {"refined-y", report.refined_y},
                       {"refined-degrees", report.refined_degrees},
                       {"refinement-confidence", report.confidence}});
  if (!std::isnan(report.confidence))
    gst_structure_set(fields, "camera-moved", G_TYPE_BOOLEAN, report.camera_moved, nullptr);
}

}  // namespace digfusion
