// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/infraredplace.h"

#include <cmath>
#include <exception>

#include "plugin/messages.h"

#define GST_CAT_DEFAULT digfusion_debug

namespace digfusion {

Grid grid_of(const GstVideoInfo& info) {
  Grid grid{{GST_VIDEO_INFO_WIDTH(&info), GST_VIDEO_INFO_HEIGHT(&info)}};
  if (info.par_n > 0 && info.par_d > 0) grid.pixel_aspect = static_cast<double>(info.par_n) / info.par_d;
  return grid;
}

void InfraredPlace::update(const Parameters& p, const GstVideoInfo& visible, const GstVideoInfo& infrared,
                           const FrameReport& report) {
  Refined refined;
  if (!std::isnan(report.refined_x + report.refined_y + report.refined_degrees) && !report.camera_moved)
    refined = {report.refined_x, report.refined_y, report.refined_degrees};
  const Key key{grid_of(visible), grid_of(infrared), refined,     p.infrared_fit,
                p.crop_top,       p.crop_bottom,     p.crop_left, p.crop_right};
  if (key_ == key && text_ == p.registration.view()) return;
  std::shared_ptr<const InfraredMap> map;
  try {
    if (text_ != p.registration.view()) {
      text_ = p.registration.view();
      registration_.reset();
      registration_ = parse_registration(text_);
    }
    if (text_.empty() || registration_)
      map = std::make_shared<const InfraredMap>(p, registration_, key.visible, key.infrared, refined);
  } catch (const std::exception& error) {
    GST_DEBUG("places in the infrared picture can't be mapped: %s", error.what());
  }
  key_ = key;
  const std::lock_guard lock(mutex_);
  map_ = std::move(map);
}

void InfraredPlace::forget() {
  key_.reset();
  text_.clear();
  registration_.reset();
  const std::lock_guard lock(mutex_);
  map_.reset();
}

std::shared_ptr<const InfraredMap> InfraredPlace::map() const {
  const std::lock_guard lock(mutex_);
  return map_;
}

}  // namespace digfusion
