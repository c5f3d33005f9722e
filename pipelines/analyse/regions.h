// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Findings on a buffer, as GstVideoRegionOfInterestMeta, GStreamer's common currency for them: encoders,
// gvaclassify of DL Streamer and whatever follows in the graph read them there.
//
//   roi_type  "person" or the class's name; "motion"
//   x y w h   pixels of the buffer's picture
//   id        of the thing, the same from picture to picture; 0 for motion
//   params    of an object: "detection", confidence=(double), label_id=(int), age=(double)
//             of motion:    "motion", cells=(int), age=(double)
//
// age: how many seconds before this picture it was found.
#pragma once

#include <gst/gst.h>

#include <vector>

#include "pipelines/analyse/detection.h"

namespace digfusion::pipelines {

struct FoundObject {
  Detection detection;
  double age = 0;
};

/// Cells of motioncells that touch, as one box.
struct MotionArea {
  cv::Rect box;
  int cells = 0;
  double age = 0;
};

struct Findings {
  std::vector<FoundObject> objects;
  std::vector<MotionArea> motion;
  bool empty() const { return objects.empty() && motion.empty(); }
};

/// `buffer` must be writable.
void attach(GstBuffer* buffer, const FoundObject& object);
void attach(GstBuffer* buffer, const MotionArea& area);

/// In the order in which they were attached; regions of others are left out.
Findings read_findings(GstBuffer* buffer);

}  // namespace digfusion::pipelines
