// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/analyse/motion.h"

#include <algorithm>
#include <charconv>
#include <opencv2/imgproc.hpp>

#include "pipelines/common/failure.h"
#include "pipelines/common/frame.h"

namespace digfusion::pipelines {

std::vector<Cell> parse_cells(std::string_view text) {
  std::vector<Cell> cells;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find(','));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
    Cell cell;
    const char* end = pair.data() + pair.size();
    const auto row = std::from_chars(pair.data(), end, cell.row);
    if (row.ec != std::errc() || row.ptr == end || *row.ptr != ':') continue;
    if (std::from_chars(row.ptr + 1, end, cell.column).ec == std::errc()) cells.push_back(cell);
  }
  return cells;
}

std::vector<MotionArea> merge_cells(const std::vector<Cell>& cells, cv::Size grid, cv::Size picture) {
  cv::Mat moved(grid, CV_8U, cv::Scalar(0));
  for (const Cell& cell : cells)
    if (cv::Rect({}, grid).contains({cell.column, cell.row})) moved.at<uchar>(cell.row, cell.column) = 1;
  cv::Mat labels, statistics, centres;
  const int count = cv::connectedComponentsWithStats(moved, labels, statistics, centres, 8);
  std::vector<MotionArea> areas;
  for (int i = 1; i < count; ++i) {  // 0 is what hasn't moved
    const int* in = statistics.ptr<int>(i);
    const auto pixels = [&](int column, int row) {
      return cv::Point(column * picture.width / grid.width, row * picture.height / grid.height);
    };
    const int left = in[cv::CC_STAT_LEFT], top = in[cv::CC_STAT_TOP];
    areas.push_back(
        {.box = {pixels(left, top), pixels(left + in[cv::CC_STAT_WIDTH], top + in[cv::CC_STAT_HEIGHT])},
         .cells = in[cv::CC_STAT_AREA]});
  }
  return areas;
}

Motion::Motion(double sensitivity) : element_(make_element("motioncells")) {
  // The drawing is digdraw's. One cell is enough: what is too little is a question of sensitivity.
  g_object_set(element_, "display", FALSE, "postallmotion", TRUE, "gridx", across, "gridy", down,
               "sensitivity", sensitivity, "threshold", 0., nullptr);
  const ObjectPtr<GstPad> pad(gst_element_get_static_pad(element_, "src"));
  gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, on_buffer, this, nullptr);
}

void Motion::on_message(GstMessage* message) {
  if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_ELEMENT || GST_MESSAGE_SRC(message) != GST_OBJECT(element_))
    return;
  const GstStructure* told = gst_message_get_structure(message);
  const char* indices = gst_structure_get_string(told, "motion_cells_indices");
  guint64 time = 0;
  if (!indices || !(gst_structure_get_uint64(told, "motion", &time) ||
                    gst_structure_get_uint64(told, "motion_begin", &time)))
    return;
  cells_ = parse_cells(indices);
  time_ = time;
}

GstPadProbeReturn Motion::on_buffer(GstPad* pad, GstPadProbeInfo* info, gpointer user_data) {
  const Motion& self = *static_cast<Motion*>(user_data);
  GstBuffer* buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
  info->data = buffer;
  const GstClockTime now = GST_BUFFER_PTS(buffer);
  if (!GST_CLOCK_TIME_IS_VALID(self.time_) || now < self.time_ || now >= self.time_ + hold)
    return GST_PAD_PROBE_OK;
  const MiniPtr<GstCaps> caps(gst_pad_get_current_caps(pad));
  GstVideoInfo video;
  if (!caps || !gst_video_info_from_caps(&video, caps.get())) return GST_PAD_PROBE_OK;
  for (MotionArea& area : merge_cells(self.cells_, {across, down}, {video.width, video.height})) {
    area.age = static_cast<double>(now - self.time_) / GST_SECOND;
    attach(buffer, area);
  }
  return GST_PAD_PROBE_OK;
}

}  // namespace digfusion::pipelines
