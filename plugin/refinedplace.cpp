// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/refinedplace.h"

#include <cmath>
#include <utility>

#include "plugin/messages.h"

#define GST_CAT_DEFAULT digfusion_debug

namespace digfusion {

void RefinedPlace::restart() {
  const std::lock_guard lock(mutex_);
  last_ = {};
}

void RefinedPlace::update(const FrameReport& report) {
  bool had_moved;
  {
    const std::lock_guard lock(mutex_);
    had_moved = std::exchange(last_, report).camera_moved;
  }
  if (!report.camera_moved || had_moved) return;
  GstStructure* structure =
      gst_structure_new("digfusion-camera-moved", "x", G_TYPE_DOUBLE, report.refined_x, "y", G_TYPE_DOUBLE,
                        report.refined_y, "degrees", G_TYPE_DOUBLE, report.refined_degrees, "confidence",
                        G_TYPE_DOUBLE, report.confidence, nullptr);
  GST_INFO_OBJECT(element_, "%" GST_PTR_FORMAT, structure);
  gst_element_post_message(element_, gst_message_new_element(GST_OBJECT(element_), structure));
}

void RefinedPlace::tell(GstStructure* stats) const {
  const std::lock_guard lock(mutex_);
  const std::pair<const char*, double> fields[] = {{"refined-x", last_.refined_x},
                                                   {"refined-y", last_.refined_y},
                                                   {"refined-degrees", last_.refined_degrees},
                                                   {"refinement-confidence", last_.confidence}};
  for (const auto& [name, value] : fields)
    if (!std::isnan(value)) gst_structure_set(stats, name, G_TYPE_DOUBLE, value, nullptr);
}

}  // namespace digfusion
