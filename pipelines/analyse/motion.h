// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Motion, by motioncells of GStreamer's OpenCV plugin: the picture is divided into cells, and those that
// differ from the last picture looked at are reported as a message on the bus. Here they become regions on
// the pictures (regions.h), so that whoever follows in the graph needs no bus.
//
// What motioncells 1.22 posts while it has a picture in hand, in that thread: an element message "motion"
// with
//     motion_cells_indices  string  "row:column,row:column,…"
//     motion_begin          uint64  the picture's timestamp; or, with postallmotion, for further pictures,
//     motion                uint64  the same
// and, when nothing has moved for `gap` seconds, motion_finished (uint64). It looks at five pictures a second
// (at all of them when there are more than thirty or fewer than six), and posts nothing for the others.
#pragma once

#include <gst/gst.h>

#include <string_view>
#include <vector>

#include "pipelines/analyse/regions.h"

namespace digfusion::pipelines {

struct Cell {
  int row = 0, column = 0;
};

/// Reads "0:6,0:9"; what can't be read is left out.
std::vector<Cell> parse_cells(std::string_view text);

/// Cells that touch, at a side or a corner, make one area. `grid`: cells across and down.
std::vector<MotionArea> merge_cells(const std::vector<Cell>& cells, cv::Size grid, cv::Size picture);

/// An element motioncells and what it needs to put its findings on the pictures.
class Motion {
 public:
  /// `sensitivity`: 0..1. Throws Failure: motioncells is missing.
  explicit Motion(double sensitivity);
  Motion(const Motion&) = delete;
  Motion& operator=(const Motion&) = delete;
  /// Floating until the caller adds it to a bin. The pipeline must be stopped before this goes.
  GstElement* element() const { return element_; }
  /// Every message of the pipeline's bus, from its synchronous handler.
  void on_message(GstMessage* message);

 private:
  static GstPadProbeReturn on_buffer(GstPad* pad, GstPadProbeInfo* info, gpointer self);

  static constexpr int across = 16, down = 12;  ///< cells
  /// Cells hold until motioncells looks again.
  static constexpr GstClockTime hold = GST_SECOND / 5;

  GstElement* element_;
  // Of the streaming thread, in which both messages and buffers come.
  std::vector<Cell> cells_;
  GstClockTime time_ = GST_CLOCK_TIME_NONE;  ///< of the picture that they were found in
};

}  // namespace digfusion::pipelines
